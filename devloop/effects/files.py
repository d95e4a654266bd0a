"""The door to what changes on disk.

Comes in: folders and files to watch. Goes out: batches of paths that may have changed, as soon as the disk is quiet for a moment.
inotify on Linux, watchdog elsewhere, polling where events do not come. It says what to look at, never what changed: whoever gets a
batch compares contents. An edit made after `watch` returned is never lost.
"""

from __future__ import annotations

import errno
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from devloop.effects import mounts, observers, polling
from devloop.effects.roots import Plan, Skips, Tops, absolute, plan, spelt
from devloop.effects.settling import Settling, is_dropping
from devloop.scope import Scope

WatchMode = Literal["native", "poll", "manual"]

_LIMITS = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOSYS, errno.ENOMEM})


class Native(Protocol):
    """Something that sees what happens in folders."""

    quiet_s: float

    def set(self, tops: Tops) -> None:
        """Watches exactly these folders. Raises: OSError when the system's limits are reached."""
        ...

    def drain(self) -> bool:
        """Reports whatever happened before the call, and returns then; False where that cannot be promised."""
        ...

    def close(self) -> None: ...


@dataclass
class _Flush:
    """Asks the watching thread for all it has. `is_asked`: by the user; `is_kept`: all of it was handed over."""

    is_asked: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    is_kept: bool = False


_Report = tuple[str, bool] | OSError | _Flush | None


class Watcher:
    """Watches a changing set of roots; its threads end with the scope.

    `on_batch` gets absolute paths, each below a root and spelt like it, from one thread, one call at a time; events that come
    meanwhile wait. A path may be gone. A folder's path means: anything in it may have changed, list it again. Editors' temporary
    files and the inside of `.git` never appear. A batch goes out 10 ms after the last event (40 ms where the system does not say
    when a file is complete), at the latest 100 ms after the first; files that have just gone, or are still open, wait 50 ms for
    the rest of their save; while git switches branches all wait for its end, 2 s at most.

    `mode`: `native` polls only what gives no events (network and shared folders), `poll` polls everything, `manual` hands nothing
    over before `look`. `on_held`: manual has something to hand over now. `on_notice(text, hint)`: why something is polled.
    """

    def __init__(
        self,
        scope: Scope,
        on_batch: Callable[[frozenset[Path]], None],
        on_notice: Callable[[str, str], None] = lambda _text, _hint: None,
        *,
        mode: WatchMode = "native",
        on_held: Callable[[frozenset[Path]], None] = lambda _paths: None,
    ) -> None:
        self._scope = scope
        self._on_batch = on_batch
        self._on_notice = on_notice
        self._on_held = on_held
        self._mode = mode
        self._lock = threading.Lock()
        self._roots: dict[str, Skips] = {}
        self._plan = Plan({}, {}, frozenset(), {})
        self._native: Native | None = None
        self._poller: polling.Poller | None = None
        self._is_native_possible = mode != "poll"
        self._polled: frozenset[str] = frozenset()
        self._held: set[str] = set()
        self._reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        scope.spawn("watch", self._run)

    def watch(self, roots: Mapping[Path, Skips]) -> None:
        """Watches these absolute files and folders (with all below them) and no others; what stays the same is left alone.

        For each root a function tells folders below it that need not be watched; another function than before has all below the
        root looked through again. Roots that do not exist yet are reported when they appear. Returns once everything is
        registered, so list files after it, not before. Blocks for a walk over new folders. Raises: Cancelled with the scope.
        """
        with self._lock:
            self._scope.check()
            self._roots = absolute(roots)
            notices = self._register()
        self._tell(notices)

    def caught_up(self, scope: Scope) -> bool:
        """Blocks until `on_batch` has heard of all that happened before the call; what has not settled yet goes out, too.

        False where that cannot be promised, or something waits for `look`: look at the files then.
        Cancelled by `scope`; never call it from `on_batch`.
        """
        if not self._drain():
            return False
        flush = _Flush()
        with scope.on_cancel(flush.done.set):
            self._reports.put(flush)
            if self._scope.is_cancelled:
                return False
            flush.done.wait()
        scope.check()
        return flush.is_kept

    def look(self) -> None:
        """Hands over what changed, without waiting for quiet; in manual mode, nothing goes out without it. Does not block."""
        self._reports.put(_Flush(is_asked=True))

    def _register(self) -> list[tuple[str, str]]:
        """Registers what the roots are on disk now, until that holds still. Called with the lock held."""
        notices: list[tuple[str, str]] = []
        while True:
            made = plan(self._roots)
            native, polled = self._shared_out(made.tops, notices)
            try:
                if native or self._native is not None:
                    self._native = self._native or self._start()
                    self._native.set(native)
            except OSError as exc:
                if exc.errno not in _LIMITS:
                    raise
                notices.append(self._give_up(exc))
                continue
            if polled or self._poller is not None:
                self._poller = self._poller or polling.Poller(self._scope, self._report)
                self._poller.set(polled)
            self._plan = made
            if plan(self._roots) == made:
                return notices

    def _shared_out(self, tops: Tops, notices: list[tuple[str, str]]) -> tuple[Tops, Tops]:
        """What is watched natively, and what is polled."""
        kinds = mounts.silent(tops) if self._is_native_possible else {}
        polled = frozenset(kinds) if self._is_native_possible else frozenset(tops)
        for path in sorted(set(kinds) - self._polled):
            text = (
                f"{path} is on {kinds[path]}, which does not report changes; looking at it every {polling.ROUND_S:g} s"
            )
            notices.append((text, "sources on a local disk are seen at once"))
        self._polled = polled
        return (
            {path: below for path, below in tops.items() if path not in polled},
            {path: below for path, below in tops.items() if path in polled},
        )

    def _start(self) -> Native:
        if not sys.platform.startswith("linux"):
            return observers.native(self._report)
        from devloop.effects import inotify  # needs modules that only Unix has

        return inotify.Inotify(self._scope, self._report, self._reports.put)

    def _give_up(self, exc: OSError) -> tuple[str, str]:
        """Polls everything from now on."""
        if self._native is not None:
            self._native.close()
            self._native = None
        self._is_native_possible = False
        setting = "max_user_watches=524288" if exc.errno == errno.ENOSPC else "max_user_instances=512"
        return (
            f"cannot watch files natively ({exc.strerror}); looking at them every {polling.ROUND_S:g} s instead",
            f"raise the limit: sudo sysctl fs.inotify.{setting}",
        )

    def _report(self, path: str, is_doubtful: bool) -> None:
        self._reports.put((path, is_doubtful))

    def _tell(self, notices: list[tuple[str, str]]) -> None:
        for notice in notices:
            self._on_notice(*notice)

    def _run(self) -> None:
        settling = Settling()
        try:
            with self._scope.on_cancel(lambda: self._reports.put(None)):
                while True:
                    for each in self._next(settling.seconds_left(time.monotonic())):
                        self._take(each, settling)
                    batch = settling.ripe(time.monotonic(), lambda: self._catch_up(settling))
                    self._hand_over(batch, is_asked=False)
        finally:
            with self._lock:
                for eye in (self._native, self._poller):
                    if eye is not None:
                        eye.close()
            self._refuse_the_rest()

    def _drain(self) -> bool:
        """Has all reported that happened before the call; False where that cannot be promised."""
        with self._lock:
            return self._native is not None and self._native.drain() and not self._polled

    def _catch_up(self, settling: Settling) -> None:
        self._drain()
        for each in self._next(0):
            self._take(each, settling)

    def _hand_over(self, batch: set[str], *, is_asked: bool) -> None:
        if self._mode == "manual":
            self._held |= batch
            if not is_asked:
                if batch:
                    self._on_held(frozenset(map(Path, self._held)))
                return
            batch, self._held = self._held, set()
        if batch:
            self._on_batch(frozenset(map(Path, batch)))

    def _next(self, seconds: float | None) -> list[_Report]:
        """Everything reported by now; waits for the first of it. Raises: Cancelled when the scope was."""
        taken: list[_Report] = []
        try:
            taken.append(self._reports.get(timeout=seconds))
            while not isinstance(taken[-1], _Flush):
                taken.append(self._reports.get_nowait())
        except queue.Empty:
            pass
        self._scope.check()
        return taken

    def _take(self, report: _Report, settling: Settling) -> None:
        now = time.monotonic()
        if isinstance(report, _Flush):
            self._hand_over(settling.everything(), is_asked=report.is_asked)
            report.is_kept = not self._held
            report.done.set()
            return
        if not isinstance(report, tuple):
            self._recover(report)
            settling.add(self._roots, now, self._quiet_s, is_doubtful=False)
            return
        path, is_doubtful = report
        if path in self._plan.names or not is_dropping(path):
            settling.add(spelt(self._plan.names, path), now, self._quiet_s, is_doubtful=is_doubtful)
        made = self._plan
        if path in made.gates or path in made.tops or (path in made.names and os.path.isdir(path)):
            before = made.found
            with self._lock:
                notices = self._register()
                found = self._plan.found
            self._tell(notices)
            moved = [root for root in found if found[root] != before.get(root)]
            settling.add(moved, now, self._quiet_s, is_doubtful=False)

    def _recover(self, error: OSError | None) -> None:
        """After lost events: the kernel's queue overflowed (None), or native watching ended (the error)."""
        if error is None:
            return
        with self._lock:
            notices = [self._give_up(error), *self._register()]
        self._tell(notices)

    def _refuse_the_rest(self) -> None:
        try:
            while True:
                report = self._reports.get_nowait()
                if isinstance(report, _Flush):
                    report.done.set()
        except queue.Empty:
            return

    @property
    def _quiet_s(self) -> float:
        return self._native.quiet_s if self._native is not None else 0.0
