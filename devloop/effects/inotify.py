"""Folders on Linux, watched through inotify(7) itself.

Comes in: folders to watch, alone or with what of all below them is wanted. Goes out: paths that changed, as the kernel says them, from
one thread. watchdog is not used here: it hides that folders beyond the kernel's limit stay unwatched and that events were lost, and
leaves out nothing below a folder. It never watches the inside of `.git`, never follows a symlink, and never asks for events of
reading: those of its own scan would flood the queue.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import select
import stat
import struct
import termios
import threading
from collections.abc import Callable

from devloop.effects.roots import Tops, covers
from devloop.scope import Scope

_ATTRIB = 0x00000004
_CLOSE_WRITE = 0x00000008
_MOVED_FROM = 0x00000040
_MOVED_TO = 0x00000080
_CREATE = 0x00000100
_DELETE = 0x00000200
_DELETE_SELF = 0x00000400
_MOVE_SELF = 0x00000800
_UNMOUNT = 0x00002000
_Q_OVERFLOW = 0x00004000
_IGNORED = 0x00008000
_ONLYDIR = 0x01000000
_DONT_FOLLOW = 0x02000000
_EXCL_UNLINK = 0x04000000
_ISDIR = 0x40000000

_CHANGES = _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_MASK = _CHANGES | _DELETE_SELF | _MOVE_SELF | _ONLYDIR | _DONT_FOLLOW | _EXCL_UNLINK
_HEADER = struct.Struct("iIII")
_READ_BYTES = 1 << 18

# The folder went, or was never one, or cannot be read: its parent's events, or its listing, say so.
_NOT_WATCHABLE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG})


class Inotify:
    """One inotify instance and the thread that reads it, which ends with the scope or with `close`.

    `report(path, is_doubtful)`: the path changed; doubtful when the next event may take it back: a file that went, or that
    appeared and was not closed yet. A folder's path says that the folder came, went or was replaced. `lost(error)`: events were
    lost (None: the kernel's queue overflowed) or nothing more will come (the error). Both are called from the reading thread.
    Raises: OSError when the kernel gives no instance (EMFILE: `fs.inotify.max_user_instances`).
    """

    quiet_s = 0.010

    def __init__(
        self, scope: Scope, report: Callable[[str, bool], None], lost: Callable[[OSError | None], None]
    ) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
        self._report = report
        self._lost = lost
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # held from a read until all of it is reported
        self._is_closed = False
        self._tops: Tops = {}
        self._folders: dict[int, str] = {}  # by watch descriptor
        self._watches: dict[str, int] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._scope = scope
        scope.spawn("watch-inotify", self._run)

    def set(self, tops: Tops) -> None:
        """Watches exactly these folders; returns once every one is registered. Blocks for a walk below those that are new or other.

        Raises: OSError ENOSPC when the kernel's limit is reached (`fs.inotify.max_user_watches`).
        """
        with self._lock:
            if self._is_closed:
                return
            before, self._tops = self._tops, dict(tops)
            if any(path not in tops or tops[path] != below for path, below in before.items()):
                self._drop_uncovered()
            for path, below in tops.items():
                is_same = path in before and before[path] == below
                self._add_tree(path, below.wants if below else None, [], is_rescan=not is_same)

    def drain(self) -> bool:
        """See files.Native: reads what the kernel's queue holds now. Blocks for that, and while another thread reads."""
        with self._reading:
            if self._is_closed:
                return False
            held = array.array("i", [0])
            fcntl.ioctl(self._fd, termios.FIONREAD, held)
            while held[0] > 0:
                data = os.read(self._fd, _READ_BYTES)
                held[0] -= len(data)
                self._handle(data)
            return True

    def close(self) -> None:
        """Ends the thread and frees the instance; does not wait for it."""
        with self._lock:
            if not self._is_closed:
                os.write(self._wake_write, b"!")

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            with self._scope.on_cancel(self.close):
                while not any(fd == self._wake_read for fd, _ in poll.poll()):
                    self._read()
        except OSError as exc:
            self._lost(exc)
        finally:
            with self._reading, self._lock:
                self._is_closed = True
                for fd in (self._fd, self._wake_read, self._wake_write):
                    os.close(fd)

    def _read(self) -> None:
        with self._reading:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return  # drained meanwhile
            self._handle(data)

    def _handle(self, data: bytes) -> None:
        touched: list[tuple[str, bool]] = []
        has_lost = False
        with self._lock:
            offset = 0
            while offset < len(data):
                watch, mask, _cookie, length = _HEADER.unpack_from(data, offset)
                start = offset + _HEADER.size
                offset = start + length
                if mask & _Q_OVERFLOW:
                    has_lost = True
                else:
                    self._event(watch, mask, os.fsdecode(data[start:offset].rstrip(b"\0")), touched)
            if has_lost:
                for path, below in self._tops.items():
                    self._add_tree(path, below.wants if below else None, [], is_rescan=True)
        for path, is_doubtful in touched:
            self._report(path, is_doubtful)
        if has_lost:
            self._lost(None)

    def _event(self, watch: int, mask: int, name: str, touched: list[tuple[str, bool]]) -> None:
        folder = self._folders.get(watch)
        if folder is None:
            return
        if not name:
            self._event_of_itself(watch, mask, folder, touched)
            return
        path = os.path.join(folder, name)
        if not mask & _ISDIR:
            touched.append((path, _is_doubtful(path, mask)))
        elif mask & (_CREATE | _MOVED_TO):
            touched.append((path, False))
            if self._wants(path):
                self._add_tree(path, self._wants, touched)
        elif mask & (_DELETE | _MOVED_FROM):
            touched.append((path, True))
            if mask & _MOVED_FROM:
                self._drop_tree(path)

    def _event_of_itself(self, watch: int, mask: int, folder: str, touched: list[tuple[str, bool]]) -> None:
        if mask & (_DELETE_SELF | _MOVE_SELF | _UNMOUNT) and folder in self._tops:
            touched.append((folder, True))
            if mask & _MOVE_SELF:  # the watch goes with the folder, which has another path now
                self._drop_tree(folder)
        elif mask & _IGNORED:
            self._forget(watch)

    def _wants(self, folder: str) -> bool:
        return covers(self._tops, folder)

    def _add_tree(
        self,
        top: str,
        wants: Callable[[str], bool] | None,
        found: list[tuple[str, bool]],
        *,
        is_rescan: bool = False,
    ) -> None:
        """Registers a folder, and then lists it: what was in it before the watch is put to `found`, what comes later are events.

        `wants`: which folders below are to be registered, too; None for none.
        """
        stack = [top]
        while stack:
            folder = stack.pop()
            if not self._add(folder) and not is_rescan:
                continue
            if wants is None:
                return
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        is_folder = entry.is_dir(follow_symlinks=False)
                        found.append((entry.path, not is_folder))
                        if is_folder and wants(entry.path):
                            stack.append(entry.path)
            except OSError as exc:
                if exc.errno not in _NOT_WATCHABLE:
                    raise

    def _add(self, folder: str) -> bool:
        """Registers one folder; False when it was, or cannot be."""
        try:
            watch = self._call("inotify_add_watch", self._fd, os.fsencode(folder), _MASK)
        except OSError as exc:
            if exc.errno in _NOT_WATCHABLE:
                return False
            raise
        if self._folders.get(watch) == folder:
            return False
        self._forget(watch)
        before = self._watches.get(folder)
        if before is not None:
            self._remove(before)
        self._folders[watch] = folder
        self._watches[folder] = watch
        return True

    def _drop_uncovered(self) -> None:
        for folder, watch in list(self._watches.items()):
            if folder not in self._tops and not covers(self._tops, folder):
                self._remove(watch)

    def _drop_tree(self, top: str) -> None:
        for folder, watch in list(self._watches.items()):
            if folder == top or folder.startswith(top + os.sep):
                self._remove(watch)

    def _remove(self, watch: int) -> None:
        self._forget(watch)
        try:
            self._call("inotify_rm_watch", self._fd, watch)
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # the folder went by itself
                raise

    def _forget(self, watch: int) -> None:
        folder = self._folders.pop(watch, None)
        if folder is not None and self._watches.get(folder) == watch:
            del self._watches[folder]

    def _call(self, function: str, *arguments: int | bytes) -> int:
        result = int(getattr(self._libc, function)(*arguments))
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), function)
        return result


def _is_doubtful(path: str, mask: int) -> bool:
    if mask & (_CLOSE_WRITE | _MOVED_TO | _ATTRIB):
        return False
    if mask & _CREATE:
        try:
            return stat.S_ISREG(os.lstat(path).st_mode)  # its writer closes it; a link has no writer
        except OSError:
            return True
    return True
