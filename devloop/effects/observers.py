"""Folders watched through watchdog: macOS, Windows, and polling where the kernel gives no more watches.

Comes in: folders. Goes out: paths that changed. None of these says when a file is complete, so quiet has to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from devloop.effects.roots import Tops, identity

POLL_S = 1.0


def native(report: Callable[[str, bool], None]) -> Watchdog:
    """FSEvents or ReadDirectoryChangesW."""
    from watchdog.observers import Observer

    return Watchdog(Observer(), report)


def polling(report: Callable[[str, bool], None]) -> Watchdog:
    """Looks at everything once a second."""
    from watchdog.observers.polling import PollingObserver

    return Watchdog(PollingObserver(timeout=POLL_S), report)


class Watchdog:
    """One observer. It watches all below a folder or nothing: what is left out is reported all the same."""

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

    def set(self, tops: Tops) -> None:
        """Watches exactly these folders (with what is below, unless None); a folder that is another one than before is registered again."""
        tops = {path: below for path, below in tops.items() if not _is_inside(path, tops)}
        for path, (deep, was, watch) in list(self._scheduled.items()):
            if path not in tops or (tops[path] is not None) is not deep or was != identity(path):
                del self._scheduled[path]
                self._observer.unschedule(watch)
        for path, below in tops.items():
            if path not in self._scheduled:
                deep, now = below is not None, identity(path)
                with contextlib.suppress(
                    FileNotFoundError, NotADirectoryError, PermissionError
                ):  # planned anew when it is back
                    watch = self._observer.schedule(self._handler, path, recursive=deep, event_filter=self._filter)
                    self._scheduled[path] = (deep, now, watch)

    def drain(self) -> bool:
        """See files.Native. What the system has not handed over yet cannot be asked for."""
        return False

    def close(self) -> None:
        """Ends the observer's threads and waits for them."""
        self._observer.stop()
        self._observer.join()


def _is_inside(path: str, tops: Tops) -> bool:
    """Whether another folder is watched with all below it, this one included."""
    folder = os.path.dirname(path)
    while folder != path:
        if tops.get(folder) is not None:
            return True
        path, folder = folder, os.path.dirname(folder)
    return False
