"""Events from any thread to every subscriber, in one order.

Comes in: events. Goes out: the same events, stamped, to each subscriber from a thread of its own. Only log lines are ever left out,
when a subscriber is too slow for them, and then a notice in their place says how many. Whoever emits never waits for a subscriber.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from devloop.events import AnyEvent, Log, Notice
from devloop.scope import Scope

MAX_WAITING = 50_000

Subscriber = Callable[[Sequence[AnyEvent]], None]


class Bus:
    """`clock`: seconds since the session began. `max_waiting`: how many events may wait for a subscriber before log lines go."""

    def __init__(self, clock: Callable[[], float], *, max_waiting: int = MAX_WAITING) -> None:
        self._clock = clock
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._mailboxes: list[_Mailbox] = []
        self._is_closed = False

    def emit(self, event: AnyEvent) -> None:
        """Stamps the event and hands it to every subscriber; nothing happens after `close`. Never blocks."""
        with self._lock:
            if self._is_closed:
                return
            stamped = replace(event, at_s=self._clock())
            for mailbox in self._mailboxes:
                mailbox.put(stamped)

    def subscribe(self, scope: Scope, subscriber: Subscriber) -> None:
        """Calls `subscriber` with what is emitted from now on, in order, all that waits at once, from one thread.

        The thread belongs to `scope` and ends after `close`, or after the scope was cancelled; both only once everything emitted
        before was delivered. An error of the subscriber ends its subscription and is the scope's.
        """
        mailbox = _Mailbox(self._max_waiting)
        with self._lock:
            self._mailboxes.append(mailbox)
            if self._is_closed:
                mailbox.close()

        def deliver() -> None:
            try:
                with scope.on_cancel(mailbox.close):
                    mailbox.deliver(subscriber)
            finally:
                with self._lock:
                    self._mailboxes.remove(mailbox)

        scope.spawn("events", deliver)

    def close(self) -> None:
        """Ends all subscriptions; their threads end once everything emitted before was delivered. Does not wait for that."""
        with self._lock:
            self._is_closed = True
            for mailbox in self._mailboxes:
                mailbox.close()


class _Mailbox:
    """What waits for one subscriber."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._news = threading.Condition()
        self._waiting: deque[AnyEvent] = deque()
        self._dropped = 0
        self._is_closed = False

    def put(self, event: AnyEvent) -> None:
        with self._news:
            if self._is_closed:
                return
            if isinstance(event, Log) and len(self._waiting) >= self._max_waiting:
                self._dropped += 1
                return
            self._tell_dropped(event.at_s)
            self._waiting.append(event)
            self._news.notify()

    def close(self) -> None:
        with self._news:
            self._is_closed = True
            self._news.notify()

    def deliver(self, subscriber: Subscriber) -> None:
        """Blocks until the mailbox is closed and empty."""
        at_s = 0.0
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    self._tell_dropped(self._waiting[-1].at_s if self._waiting else at_s)
                batch = list(self._waiting)
                self._waiting.clear()
            if not batch:
                return
            at_s = batch[-1].at_s
            subscriber(batch)

    def _tell_dropped(self, at_s: float) -> None:
        if self._dropped:
            lines = "1 log line was" if self._dropped == 1 else f"{self._dropped} log lines were"
            message = f"{lines} left out here: whatever reads this output is too slow"
            self._waiting.append(Notice(at_s=at_s, message=message))
            self._dropped = 0
