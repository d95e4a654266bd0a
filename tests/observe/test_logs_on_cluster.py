"""Logs of real containers: every line once, in order, from the first one, whatever becomes of the container."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from devloop import events, stages
from devloop.config import model
from devloop.errors import Unavailable
from devloop.observe.logs import LogFollower
from devloop.observe.pods import PodStore
from devloop.products import Applied
from devloop.scope import Scope
from tests.e2e.web import eventually
from tests.observe.conftest import workload

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("busybox")]

Apply = Callable[..., Applied]
COUNT = "i=0; while [ $i -lt {n} ]; do i=$((i+1)); echo line $i; done"
STAY = "trap 'echo bye; exit 0' TERM; while true; do sleep 0.05; done"


class Seen:
    """Collects what is emitted, by pod and container."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.notices: list[str] = []

    def emit(self, event: events.AnyEvent) -> None:
        with self._lock:
            if isinstance(event, events.Log):
                self._lines[event.pod, event.container].append(event.line)
            elif isinstance(event, events.Notice):
                self.notices.append(event.message)

    def of(self, container: str = "main") -> list[list[str]]:
        """The lines of each container of that name, in the order in which they began."""
        with self._lock:
            return [list(lines) for (_, name), lines in self._lines.items() if name == container]

    def until(self, done: Callable[[], bool], timeout_s: float = 60) -> None:
        eventually(done, timeout_s=timeout_s, every_s=0.05)


class Flaky:
    """A door whose log streams break after some bytes, as often in the middle of a line as not."""

    def __init__(self, door: stages.Cluster) -> None:
        self._door = door
        self._left = itertools.cycle([5000, 450, 3301, 9, 7777])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    def logs(self, *args: Any, **options: Any) -> Iterator[bytes]:
        left = next(self._left)
        for chunk in self._door.logs(*args, **options):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                raise Unavailable("the connection broke")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def follower(session: Scope, door: stages.Cluster, store: PodStore, seen: Seen) -> LogFollower:
    return LogFollower(session, door, store, model.Logs(), seen.emit)


def numbered(count: int) -> list[str]:
    return [f"line {number + 1}" for number in range(count)]


def test_all_containers_are_followed_from_their_first_line(apply: Apply, follower: LogFollower, seen: Seen) -> None:
    init = {"name": "prepare", "image": "busybox:1.37", "command": ["echo", "prepared"]}
    follower.follow(apply(workload(f"{COUNT.format(n=500)}; {STAY}", pod={"initContainers": [init]})))
    seen.until(lambda: seen.of() == [numbered(500)])
    assert seen.of("prepare") == [["prepared"]]


def test_each_line_of_each_run_comes_once_over_restarts(apply: Apply, follower: LogFollower, seen: Seen) -> None:
    count_runs = "r=$(cat /shared/run 2>/dev/null || echo 0); r=$((r+1)); echo $r > /shared/run"
    script = f"{count_runs}; i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $r/$i; done; printf $r/end; [ $r = 3 ] && sleep 600; exit 1"
    shared = {"volumes": [{"name": "shared", "emptyDir": {}}]}
    applied = apply(workload(script, pod=shared, volumeMounts=[{"name": "shared", "mountPath": "/shared"}]))
    follower.follow(applied)
    runs = [[f"{run}/{each}" for each in [*range(1, 201), "end"]] for run in (1, 2, 3)]
    # The last run still goes on, and its last line has no end yet.
    seen.until(lambda: seen.of() == [runs[0] + runs[1] + runs[2][:-1]])


def test_a_rollout_is_followed_and_the_old_pod_read_to_its_last_word(
    apply: Apply, follower: LogFollower, seen: Seen
) -> None:
    for version in ("1", "2", "3"):
        script = f"echo v{version}; {COUNT.format(n=100)}; {STAY}"
        follower.follow(apply(workload(script)))
        seen.until(lambda v=version: any(lines[:1] == [f"v{v}"] and len(lines) > 100 for lines in seen.of()))  # type: ignore[misc]
    seen.until(lambda: [lines[-1] for lines in seen.of()].count("bye") == 2)
    assert seen.of() == [
        ["v1", *numbered(100), "bye"],
        ["v2", *numbered(100), "bye"],
        ["v3", *numbered(100)],
    ]


def test_a_crash_before_readiness_has_its_log(apply: Apply, follower: LogFollower, seen: Seen) -> None:
    follower.follow(apply(workload("echo no DATABASE_URL; exit 3")))
    seen.until(lambda: any(lines[:1] == ["no DATABASE_URL"] for lines in seen.of()))


def test_a_flood_comes_whole_over_the_rotation_of_its_file(apply: Apply, follower: LogFollower, seen: Seen) -> None:
    """The kubelet looks every 10 s whether a file has 10 MiB, and begins a new one then."""
    total, seconds = 300_000, 24
    pause = f'if (i % 5000 == 0) system("sleep {seconds * 5000 / total}")'
    line = f'printf "line %d {"x" * 80}\\n", i'
    script = f"awk 'BEGIN {{ for (i = 1; i <= {total}; i++) {{ {line}; {pause} }} }}'; echo end; {STAY}"
    follower.follow(apply(workload(script)))
    seen.until(lambda: bool(seen.of()) and seen.of()[0][-1:] == ["end"], timeout_s=100)
    assert [line.removesuffix(" " + "x" * 80) for line in seen.of()[0]] == [*numbered(total), "end"]


def test_lost_connections_cost_no_line(
    apply: Apply, session: Scope, door: stages.Cluster, store: PodStore, seen: Seen
) -> None:
    follower = LogFollower(session, cast(stages.Cluster, Flaky(door)), store, model.Logs(), seen.emit)
    ticking = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; exit 0"
    follower.follow(apply(workload(ticking)))
    # It is started again and again: two runs are enough to see that none of their ends is lost.
    seen.until(lambda: bool(seen.of()) and len(seen.of()[0]) > 601)
    assert seen.of()[0][:600] == numbered(300) * 2


def test_lines_longer_than_the_runtimes_buffer_come_whole(apply: Apply, follower: LogFollower, seen: Seen) -> None:
    follower.follow(apply(workload(f"head -c 100000 /dev/zero | tr '\\0' x; echo; echo after; {STAY}")))
    seen.until(lambda: seen.of() == [["x" * 100_000, "after"]])


def test_pods_older_than_the_session_begin_with_their_last_lines(
    apply: Apply, session: Scope, door: stages.Cluster, store: PodStore, seen: Seen
) -> None:
    applied = apply(workload(f"{COUNT.format(n=100)}; {STAY}"))
    time.sleep(7)  # pods younger than this could be the session's own, by another clock
    LogFollower(session, door, store, model.Logs(), seen.emit).follow(applied)
    seen.until(lambda: seen.of() == [numbered(100)[-10:]])


def test_excluded_containers_and_forgotten_units_are_left_alone(
    apply: Apply, session: Scope, door: stages.Cluster, store: PodStore, seen: Seen
) -> None:
    follower = LogFollower(session, door, store, model.Logs(exclude=("istio-*",)), seen.emit)
    ticking = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done"
    sidecar = {"name": "istio-proxy", "image": "busybox:1.37", "command": ["sh", "-c", ticking]}
    applied = apply(workload(ticking))
    applied_with_sidecar = apply(
        workload(ticking, name="other", pod={"initContainers": [{**sidecar, "restartPolicy": "Always"}]}), unit="other"
    )
    follower.follow(applied)
    follower.follow(applied_with_sidecar)
    seen.until(lambda: len(seen.of()) == 2)
    follower.forget("shop")
    time.sleep(1)
    before = seen.of()
    follower.follow(applied)
    seen.until(lambda: all(len(now) > len(then) + 30 for now, then in zip(seen.of(), before, strict=True)))
    assert all(lines == numbered(len(lines)) for lines in seen.of())
    assert seen.of("istio-proxy") == []


def test_other_rules_hold_at_once_and_what_is_wanted_again_goes_on_where_it_was_left(
    apply: Apply, session: Scope, door: stages.Cluster, store: PodStore, seen: Seen
) -> None:
    def lines(container: str) -> list[str]:
        return [line for each in seen.of(container) for line in each]

    def grows(container: str) -> None:
        before = len(lines(container))
        seen.until(lambda: len(lines(container)) > before + 30)

    def rests(container: str) -> None:
        """What was on its way may still come; then nothing does."""
        before = -1
        while (now := len(lines(container))) != before:
            before = now
            time.sleep(0.5)

    follower = LogFollower(session, door, store, model.Logs(exclude=("side",)), seen.emit)
    ticking = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.02; done"
    side = {"name": "side", "image": "busybox:1.37", "command": ["sh", "-c", ticking], "restartPolicy": "Always"}
    follower.follow(apply(workload(ticking, pod={"initContainers": [side]})))
    grows("main")
    assert lines("side") == []
    follower.configure(model.Logs(exclude=("ma*",)))
    grows("side")
    rests("main")
    follower.configure(model.Logs())
    grows("main")
    follower.configure(model.Logs(enabled=False))
    rests("main")
    rests("side")
    follower.configure(model.Logs())
    grows("main")
    grows("side")
    for container in ("main", "side"):
        assert lines(container) == numbered(len(lines(container)))
