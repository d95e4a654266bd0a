"""From a save to the decision, whatever the tree: a real `devloop dev` on projects of 100, 10,000 and 100,000 files.

Run: .venv/bin/python bench/watch.py [FILES…], with DEVLOOP_TEST_CONTEXT or the current context naming a cluster.
For each size (ten files a folder): the digest of the tree by itself; start with nothing remembered and with everything, beside
`git status` in the same tree; save → decided, by a reader of its events; CPU and memory over 60 s in which nothing happens; a
`git switch` of 2,000 files; 5,000 files written at once. Its builds fail on purpose: what is measured ends with the decision.
Budgets: DESIGN §7.
"""

from __future__ import annotations

import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devloop.products import Inputs
from devloop.store.digests import FileDigests, InputsDigest
from devloop.store.index import Index

SIZES = (100, 10_000, 100_000)
SAVES = 60
IDLE_S = 60
SWITCHED = 2_000
BURST = 5_000
NAMESPACE = f"devloop-bench-{os.getpid()}"
CONFIG = """\
apiVersion: devloop/v1
metadata: {name: bench-watch}
build:
  artifacts:
    - image: devloop-bench/watch
      context: .
      custom:
        command: test -e succeed && docker tag busybox:1.37 $IMAGE
        dependencies: {paths: [src]}
deploy:
  - manifests: [settings.yaml]
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
DEVLOOP = str(Path(sys.executable).with_name("devloop"))


class Dev:
    """A session whose events are stamped with the time at which they could be read."""

    def __init__(self, project: Path, context: str, variables: dict[str, str]) -> None:
        self.began_s = time.perf_counter()
        self.process = subprocess.Popen(
            [DEVLOOP, "dev", "--context", context, "-n", NAMESPACE, "--output", "json"],
            cwd=project,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started: list[int] = []
        self._events: queue.SimpleQueue[tuple[float, dict[str, Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._events.put((time.perf_counter(), json.loads(line)))
        self._events.put(None)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> tuple[float, dict[str, Any]]:
        """The next event of this kind, and when it came."""
        last: dict[str, Any] = {}
        while (got := self._events.get(timeout=300)) is not None:
            if got[1]["kind"] == "update" and got[1]["state"] == "started":
                self.started.append(got[1]["update"])
            if wanted(got[1]):
                return got
            last = got[1] if got[1]["kind"] != "session" else last
        raise SystemExit(f"devloop dev ended early: {last}")

    def ended(self) -> tuple[float, dict[str, Any]]:
        return self.until(lambda event: event["kind"] == "update" and event["state"] != "started")

    def quiet(self) -> None:
        """Takes what comes until nothing has for a second."""
        while True:
            try:
                got = self._events.get(timeout=1)
            except queue.Empty:
                return
            if got and got[1]["kind"] == "update" and got[1]["state"] == "started":
                self.started.append(got[1]["update"])


@contextmanager
def dev(project: Path, context: str, variables: dict[str, str]) -> Iterator[Dev]:
    session = Dev(project, context, variables)
    try:
        yield session
    finally:
        session.process.terminate()
        session.process.wait()


def is_watching(event: dict[str, Any]) -> bool:
    return bool(event["kind"] == "session" and event["state"] == "watching")


def grow(project: Path, size: int) -> None:
    (project / "devloop.yaml").write_text(CONFIG)
    (project / "settings.yaml").write_text(SETTINGS)
    (project / ".gitignore").write_text("cache\n")
    for number in range(size):
        if number % 10 == 0:
            folder(project, number).mkdir(parents=True)
        source(project, number).write_text(f"value = {number}\n" * 40)
    git(project, "init", "--quiet", "--initial-branch=one")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=one")


def folder(project: Path, number: int) -> Path:
    return project / "src" / f"{number // 1000}" / f"{number // 10 % 100}"


def source(project: Path, number: int) -> Path:
    return folder(project, number) / f"module_{number}.py"


def git(project: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "core.hooksPath=/dev/null"]
    subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)


def measure(size: int, context: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        variables = {"XDG_CACHE_HOME": str(project / "cache")}
        grow(project, size)
        time.sleep(3)  # younger statuses are not remembered
        print(f"{size} files in {size // 10} folders")
        digests(project)
        starts(project, context, variables)
        with dev(project, context, variables) as session:
            session.until(is_watching)
            session.quiet()
            saves(session, project, size)
            idle(session)
            if size >= SWITCHED:
                switch(session, project)
            burst(session, project, context, variables)


def digests(project: Path) -> None:
    """The digest of the tree by itself: with nothing remembered, with everything, and after one file changed."""
    files = tuple(Path(parent, name) for parent, _, names in os.walk(project / "src") for name in names)
    inputs = Inputs(base=project, files=files, roots=(project / "src",), matches=lambda _path: True)
    table = project / "table"
    took_ms = []
    for _ in range(2):
        began_s = time.perf_counter()
        kept = InputsDigest(FileDigests(Index(table)), inputs)
        before = kept.value
        took_ms.append((time.perf_counter() - began_s) * 1000)
    files[0].write_text("changed\n")
    began_s = time.perf_counter()
    kept.update(files[0])
    assert kept.value != before
    took_ms.append((time.perf_counter() - began_s) * 1000)
    print(
        "  digest: {:.0f} ms with nothing remembered, {:.0f} ms the next time, {:.2f} ms after a change".format(
            *took_ms
        )
    )


def starts(project: Path, context: str, variables: dict[str, str]) -> None:
    took = []
    for _ in range(2):
        with dev(project, context, variables) as session:
            at_s, _ = session.until(is_watching)
            took.append(at_s - session.began_s)
            session.ended()
    began_s = time.perf_counter()
    subprocess.run(["git", "status", "--porcelain"], cwd=project, check=True, capture_output=True)
    status_s = time.perf_counter() - began_s
    print(
        f"  start → watching: {took[0]:.2f} s with nothing remembered, {took[1]:.2f} s the next time"
        f" (git status: {status_s:.2f} s, {took[1] / status_s:.1f} ×)"
    )


def saves(session: Dev, project: Path, size: int) -> None:
    waits_ms = []
    for number in range(SAVES):
        path = source(project, number * 7919 % size)
        began_s = time.perf_counter()
        path.write_text(f"saved = {number}\n")
        at_s, _ = session.until(lambda event: event["kind"] == "update" and event["state"] == "started")
        waits_ms.append((at_s - began_s) * 1000)
        session.ended()
        session.quiet() if number % 20 == 0 else time.sleep(0.05)
    waits_ms.sort()
    print(
        f"  save → decided: p50 {statistics.median(waits_ms):.0f} ms, p95 {waits_ms[int(SAVES * 0.95)]:.0f} ms, n={SAVES}"
    )


def idle(session: Dev) -> None:
    session.quiet()
    before_s = cpu_s(session.process.pid)
    time.sleep(IDLE_S)
    used_s = cpu_s(session.process.pid) - before_s
    status = Path(f"/proc/{session.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    print(
        f"  idle for {IDLE_S} s: {100 * used_s / IDLE_S:.2f} % of a core, {mib(fields['VmRSS']):.0f} MiB"
        f" (at most {mib(fields['VmHWM']):.0f} MiB)"
    )


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mib(field: str) -> float:
    return int(field.split(maxsplit=1)[0]) / 1024


def switch(session: Dev, project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=saves")
    session.quiet()
    git(project, "switch", "--quiet", "--create", "two")
    tree = project / "two"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree)], cwd=project, check=True)
    for number in range(SWITCHED):
        source(tree, number).write_text("branch = 'two'\n")
    git(tree, "add", "--all", "--", "src")
    git(tree, "commit", "--quiet", "--message=two")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree, check=True, capture_output=True, text=True).stdout
    git(project, "worktree", "remove", "--force", str(tree))
    session.quiet()
    before = len(session.started)
    began_s = time.perf_counter()
    git(project, "reset", "--quiet", "--hard", commit.strip())
    took_s = time.perf_counter() - began_s
    at_s, _ = session.ended()
    session.quiet()
    print(
        f"  git switch of {SWITCHED} files ({took_s:.2f} s): {len(session.started) - before} update,"
        f" ended {at_s - began_s - took_s:.2f} s after git"
    )


def burst(session: Dev, project: Path, context: str, variables: dict[str, str]) -> None:
    """What the session has built in the end must be called what a look at the whole disk calls it: then nothing was lost."""
    (project / "succeed").write_text("")
    many = project / "src" / "burst"
    many.mkdir()
    began_s = time.perf_counter()
    for number in range(BURST):
        (many / f"{number}.py").write_text(f"burst = {number}\n")
    wrote_s = time.perf_counter() - began_s
    ref = ""
    while True:
        at_s, event = session.until(
            lambda event: (
                (event["kind"] == "step" and event["step"] == "build" and event["state"] in ("finished", "skipped"))
                or (event["kind"] == "update" and event["state"] == "ready" and event.get("fresh") is True)
            )
        )
        if event["kind"] == "update":
            break
        ref = event.get("result") or ref
    asked = subprocess.run(
        [DEVLOOP, "explain", "image/devloop-bench/watch", "--context", context, "-n", NAMESPACE, "--output", "json"],
        cwd=project,
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = json.loads(asked.stdout.splitlines()[0])["ref"]
    lost = "none lost" if ref == wanted else f"LOST: built {ref}, on disk {wanted}"
    print(
        f"  burst of {BURST} files (written in {wrote_s:.2f} s): {lost}; fresh {at_s - began_s - wrote_s:.2f} s after the last"
    )
    for image in {ref, wanted} - {""}:
        subprocess.run(["docker", "rmi", image], check=False, capture_output=True)


def main() -> None:
    context = os.environ.get("DEVLOOP_TEST_CONTEXT") or kubectl("config", "current-context")
    if not context:
        raise SystemExit("there is no cluster to measure on: set DEVLOOP_TEST_CONTEXT, or kubectl's current context")
    kubectl("--context", context, "create", "namespace", NAMESPACE)
    for size in map(int, sys.argv[1:] or SIZES):
        measure(size, context)
    kubectl("--context", context, "delete", "namespace", NAMESPACE, "--wait=false")


def kubectl(*arguments: str) -> str:
    return subprocess.run(["kubectl", *arguments], check=False, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
