"""The door to what changes on disk.

Comes in: folders and files to watch. Goes out: batches of paths that may have changed, as soon as the disk is quiet for a moment.
inotify on Linux, watchdog elsewhere, polling where the system's limits leave no other way. It says what to look at, never what
changed: whoever gets a batch compares contents. An edit made after `watch` returned is never lost.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from devloop.effects import inotify
from devloop.scope import Scope

SETTLE_CAP_S = 0.100  # a batch is never held for longer, however much goes on
DOUBT_S = 0.050  # how long a save by rename leaves a file missing, at most
POLL_S = 1.0

_LIMITS = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOSYS, errno.ENOMEM})
# What editors leave beside a file while they save it: Vim, Emacs, JetBrains, GLib, and backups.
_DROPPING = re.compile(r".*~|4913|\.#.*|#.*#|.*\.sw[px]|.*___jb_.*|\.goutputstream-.*", re.DOTALL)


class _Native(Protocol):
    quiet_s: float

    def set(self, tops: Mapping[str, bool]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Plan:
    """`tops`: real folders to register (True: with all below). `names`: real path → the roots that it is, as asked for.
    `gates`: real paths whose coming or going moves a root. `found`: what each root was when this was made.
    """

    tops: Mapping[str, bool]
    names: Mapping[str, tuple[str, ...]]
    gates: frozenset[str]
    found: Mapping[str, tuple[int, int] | None]


class Watcher:
    """Watches a changing set of roots; its threads end with the scope.

    `on_batch` gets absolute paths, each below a root and spelt like it, from one thread, one call at a time; events that come
    meanwhile wait. A path may be gone. A folder's path means: anything in it may have changed, list it again. Editors' temporary
    files and the inside of `.git` never appear. A batch goes out 10 ms after the last event (40 ms where the system does not say
    when a file is complete), at the latest 100 ms after the first; files that have just gone, or are still open, wait 50 ms for
    the rest of their save. `on_notice(text, hint)`: native watching is not possible and polling (1 s) took its place.
    """

    def __init__(
        self,
        scope: Scope,
        on_batch: Callable[[frozenset[Path]], None],
        on_notice: Callable[[str, str], None] = lambda _text, _hint: None,
    ) -> None:
        self._scope = scope
        self._on_batch = on_batch
        self._on_notice = on_notice
        self._lock = threading.Lock()
        self._roots: frozenset[str] = frozenset()
        self._plan = _Plan({}, {}, frozenset(), {})
        self._native: _Native | None = None
        self._reports: queue.SimpleQueue[tuple[str, bool] | OSError | None] = queue.SimpleQueue()
        scope.spawn("watch", self._run)

    def watch(self, roots: Iterable[Path]) -> None:
        """Watches these absolute files and folders (with all below them) and no others; what stays the same is left alone.

        Roots that do not exist yet are reported when they appear. Returns once everything is registered, so list files after
        it, not before. Blocks for a walk over the folders. Raises: Cancelled when the scope was cancelled.
        """
        with self._lock:
            self._scope.check()
            self._roots = frozenset(os.path.abspath(root) for root in roots)
            notice = self._register()
        self._tell(notice)

    def _register(self) -> tuple[str, str] | None:
        """Registers what the roots are on disk now, until that holds still. Called with the lock held."""
        notice = None
        while True:
            plan = _plan(self._roots)
            if self._native is None:
                notice = self._start() or notice
                continue
            try:
                self._native.set(plan.tops)
            except OSError as exc:
                if exc.errno not in _LIMITS:
                    raise
                notice = self._fall_back(exc)
                continue
            self._plan = plan
            if _plan(self._roots) == plan:
                return notice

    def _start(self) -> tuple[str, str] | None:
        if not sys.platform.startswith("linux"):
            self._native = _watchdog_native(self._report)
            return None
        try:
            self._native = inotify.Inotify(self._scope, self._report, self._reports.put)
        except OSError as exc:
            return self._fall_back(exc)
        return None

    def _fall_back(self, exc: OSError) -> tuple[str, str]:
        if self._native is not None:
            self._native.close()
        self._native = _watchdog_polling(self._report)
        setting = "max_user_watches=524288" if exc.errno == errno.ENOSPC else "max_user_instances=512"
        return (
            f"cannot watch files natively ({exc.strerror}); looking at them every {POLL_S:g} s instead",
            f"raise the limit: sudo sysctl fs.inotify.{setting}",
        )

    def _report(self, path: str, is_doubtful: bool) -> None:
        self._reports.put((path, is_doubtful))

    def _tell(self, notice: tuple[str, str] | None) -> None:
        if notice is not None:
            self._on_notice(*notice)

    def _run(self) -> None:
        settling = _Settling()
        try:
            with self._scope.on_cancel(lambda: self._reports.put(None)):
                while True:
                    for each in self._next(settling.seconds_left(time.monotonic())):
                        self._take(each, settling)
                    batch = settling.ripe(time.monotonic())
                    if batch:
                        self._on_batch(frozenset(map(Path, batch)))
        finally:
            with self._lock:
                if self._native is not None:
                    self._native.close()

    def _next(self, seconds: float | None) -> list[tuple[str, bool] | OSError | None]:
        """Everything reported by now; waits for the first of it. Raises: Cancelled when the scope was."""
        taken: list[tuple[str, bool] | OSError | None] = []
        try:
            taken.append(self._reports.get(timeout=seconds))
            while True:
                taken.append(self._reports.get_nowait())
        except queue.Empty:
            pass
        self._scope.check()
        return taken

    def _take(self, report: tuple[str, bool] | OSError | None, settling: _Settling) -> None:
        now = time.monotonic()
        if not isinstance(report, tuple):
            self._recover(report)
            settling.add(self._roots, now, self._quiet_s, is_doubtful=False)
            return
        path, is_doubtful = report
        settling.add(_spelt(self._plan.names, path), now, self._quiet_s, is_doubtful)
        plan = self._plan
        if path in plan.gates or path in plan.tops or (path in plan.names and os.path.isdir(path)):
            before = plan.found
            with self._lock:
                notice = self._register()
                found = self._plan.found
            self._tell(notice)
            moved = [root for root in found if found[root] != before.get(root)]
            settling.add(moved, now, self._quiet_s, is_doubtful=False)

    def _recover(self, error: OSError | None) -> None:
        """After lost events: the kernel's queue overflowed (None), or native watching ended (the error)."""
        if error is None:
            return
        with self._lock:
            notice = self._fall_back(error)
            notice = self._register() or notice
        self._tell(notice)

    @property
    def _quiet_s(self) -> float:
        return self._native.quiet_s if self._native is not None else 0.0


class _Settling:
    """What was reported and did not go out yet: certain paths, which go together, and doubtful ones with their own time."""

    def __init__(self) -> None:
        self._certain: set[str] = set()
        self._first = 0.0
        self._due = 0.0
        self._doubtful: dict[str, float] = {}

    def add(self, paths: Iterable[str], now: float, quiet_s: float, is_doubtful: bool) -> None:
        for path in paths:
            if is_doubtful and path not in self._certain:
                self._doubtful.setdefault(path, now + DOUBT_S)
            elif not is_doubtful:
                self._doubtful.pop(path, None)
                self._first = self._first if self._certain else now
                self._certain.add(path)
                self._due = min(now + quiet_s, self._first + SETTLE_CAP_S)

    def seconds_left(self, now: float) -> float | None:
        """Until something may go out; None when nothing waits."""
        times = [*itertools.islice(self._doubtful.values(), 1)] + ([self._due] if self._certain else [])
        return max(0.0, min(times) - now) if times else None

    def ripe(self, now: float) -> set[str]:
        """Takes what may go out now."""
        ripe = {path for path, due in self._doubtful.items() if due <= now}
        if self._certain and self._due <= now:
            ripe |= self._certain
            self._certain = set()
        for path in ripe:
            self._doubtful.pop(path, None)
        return ripe


def _plan(roots: Iterable[str]) -> _Plan:
    tops: dict[str, bool] = {}
    names: dict[str, tuple[str, ...]] = {}
    gates: set[str] = set()
    found: dict[str, tuple[int, int] | None] = {}
    for root in sorted(roots):
        real = os.path.realpath(root)
        names[real] = (*names.get(real, ()), root)
        found[root] = _identity(real)
        for link in _links(root):
            gates.add(link)
            names[link] = (*names.get(link, ()), root)
            tops.setdefault(os.path.dirname(link), False)
        if os.path.isdir(real):
            tops[real] = True
            gates.add(real)
        elif found[root] is not None:
            tops.setdefault(os.path.dirname(real), False)
        else:
            gates.add(_missing(real))
            tops.setdefault(os.path.dirname(_missing(real)), False)
    own = {path: deep for path, deep in tops.items() if not inotify.covers(tops, path)}
    return _Plan(own, names, frozenset(gates), found)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _links(path: str) -> list[str]:
    """Where the symlinks on the way to `path` are, itself included."""
    found = []
    while path != os.path.dirname(path):
        if os.path.islink(path):
            found.append(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
        path = os.path.dirname(path)
    return found


def _missing(path: str) -> str:
    """The first part of a path that does not exist."""
    while not os.path.isdir(os.path.dirname(path)):
        path = os.path.dirname(path)
    return path


def _spelt(names: Mapping[str, tuple[str, ...]], path: str) -> list[str]:
    """A real path as the roots that it belongs to spell it; none for what nobody asked for."""
    spelt = list(names.get(path, ()))
    if not spelt and _DROPPING.fullmatch(os.path.basename(path)):
        return []
    below, folder = path, os.path.dirname(path)
    while folder != below and os.path.basename(below) != inotify.PRUNED:
        spelt += (root + path[len(folder) :] for root in names.get(folder, ()))
        below, folder = folder, os.path.dirname(folder)
    return spelt


def _watchdog_native(report: Callable[[str, bool], None]) -> _Native:
    from watchdog.observers import Observer

    return _Watchdog(Observer(), report)


def _watchdog_polling(report: Callable[[str, bool], None]) -> _Native:
    from watchdog.observers.polling import PollingObserver

    return _Watchdog(PollingObserver(timeout=POLL_S), report)


class _Watchdog:
    """FSEvents, ReadDirectoryChanges and polling: none of them says when a file is complete, so quiet has to."""

    quiet_s = 0.040

    def __init__(self, observer: Any, report: Callable[[str, bool], None]) -> None:
        from watchdog import events

        class Handler(events.FileSystemEventHandler):
            def on_any_event(self, event: Any) -> None:
                for path in filter(None, (event.src_path, event.dest_path)):
                    report(os.fsdecode(path), False)

        self._handler = Handler()
        self._filter = [
            *(events.FileCreatedEvent, events.FileDeletedEvent, events.FileModifiedEvent, events.FileMovedEvent),
            *(events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent),
        ]
        self._observer = observer
        self._scheduled: dict[str, tuple[bool, tuple[int, int] | None, Any]] = {}
        observer.start()

    def set(self, tops: Mapping[str, bool]) -> None:
        """Watches exactly these folders (True: with all below); a folder that is another one than before is registered again."""
        for path, (deep, identity, watch) in list(self._scheduled.items()):
            if tops.get(path) is not deep or identity != _identity(path):
                del self._scheduled[path]
                self._observer.unschedule(watch)
        for path, deep in tops.items():
            if path not in self._scheduled:
                identity = _identity(path)
                with contextlib.suppress(
                    FileNotFoundError, NotADirectoryError, PermissionError
                ):  # planned anew when it is back
                    watch = self._observer.schedule(self._handler, path, recursive=deep, event_filter=self._filter)
                    self._scheduled[path] = (deep, identity, watch)

    def close(self) -> None:
        """Ends the observer's threads and waits for them."""
        self._observer.stop()
        self._observer.join()
