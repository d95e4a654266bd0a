"""What a deploy costs that changes little: devloop against kubectl and helm, in the same run on the same objects.

Run: .venv/bin/python bench/deploy.py [ROUNDS], with DEVLOOP_TEST_CONTEXT or the current context naming a cluster; `helm` and `kustomize` on
the PATH. Three projects: 100 plain objects (60 ConfigMaps, 20 Services, 10 Secrets, 10 Deployments without pods), 10 charts of 6 objects
and a kustomization of 50 files. Of each, nothing is changed or one value. "dev" is a save until `devloop dev` says fresh, the others are
whole commands. Prints medians of ROUNDS (3), the processor time of the commands,
and how many objects of the namespace a deploy wrote, by their resourceVersions (Helm's records are Secrets, so they count).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from devloop.effects import cluster as cluster_door
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import Cluster

KINDS = "configmaps,secrets,services,deployments"
DEVLOOP = str(Path(sys.executable).with_name("devloop"))
Write = Callable[[Path, int], None]  # a project's folder, and the value of what changes
Deploy = Callable[[Path, "Space"], None]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    context = os.environ.get("DEVLOOP_TEST_CONTEXT") or run("kubectl", "config", "current-context")
    print(f"medians of {rounds}")
    print(f"{'project':13}{'changed':9}{'how':32}{'seconds':>9}{'its CPU':>10}{'writes':>8}{'× run':>8}")
    for project in PROJECTS:
        measure(project, rounds, context)
    floor(rounds, context)


@dataclass(frozen=True)
class Project:
    """`write`: makes its files, or changes the one value. `changed`: the file that a save of `write` is seen in. `others`: rivals."""

    name: str
    write: Write
    others: Mapping[str, Deploy]


@dataclass(frozen=True)
class Space:
    """A namespace of its own on the cluster."""

    context: str
    name: str

    def kubectl(self, *args: str) -> str:
        return run("kubectl", "--context", self.context, "--namespace", self.name, *args)

    def versions(self) -> dict[str, str]:
        """What each object's version is."""
        items = json.loads(self.kubectl("get", KINDS, "--output=json"))["items"]
        return {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in items}


@dataclass
class Taken:
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)


def measure(project: Project, rounds: int, context: str) -> None:
    rows: dict[tuple[str, str], Taken] = {}
    ways: dict[str, Deploy] = {"devloop run": devloop_run, **project.others}
    for way, deploy in ways.items():
        with tempfile.TemporaryDirectory() as folder, namespace(context) as space:
            project.write(Path(folder), 0)
            deploy(Path(folder), space)
            for number in range(1, rounds + 1):
                note(rows, ("nothing", way), space, partial(deploy, Path(folder), space))
                project.write(Path(folder), number)
                note(rows, ("one", way), space, partial(deploy, Path(folder), space))
    with tempfile.TemporaryDirectory() as folder, namespace(context) as space:
        project.write(Path(folder), 0)
        in_dev(project, Path(folder), space, rounds, rows)
    for (changed, way), taken in rows.items():
        mine = statistics.median(rows[changed, "devloop run"].seconds)
        middle = statistics.median(taken.seconds)
        writes = f"{statistics.median(taken.writes):.0f}" if taken.writes else ""
        cpu = f"{statistics.median(taken.cpu_s):.2f} s" if taken.cpu_s else ""
        print(
            f"{project.name:13}{changed:9}{way:32}{middle:7.3f} s{cpu:>9}{writes:>8}{middle / mine:7.1f}×", flush=True
        )


def note(rows: dict[tuple[str, str], Taken], row: tuple[str, str], space: Space, work: Callable[[], None]) -> None:
    before = space.versions()
    began, used_s = time.perf_counter(), children_s()
    work()
    taken = rows.setdefault(row, Taken())
    taken.seconds.append(time.perf_counter() - began)
    taken.cpu_s.append(children_s() - used_s)
    after = space.versions()
    taken.writes.append(sum(before.get(uid) != version for uid, version in after.items()))


def children_s() -> float:
    """The processor time of all commands so far: that of the programs, not of the API server."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_dev(project: Project, folder: Path, space: Space, rounds: int, rows: dict[tuple[str, str], Taken]) -> None:
    """Saves into a running session."""
    argv = [DEVLOOP, "dev", "--keep", "--context", space.context, "-n", space.name, "--output", "json"]
    process = subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        await_update(process, 1)
        for number in range(1, rounds + 1):
            before = space.versions()
            began = time.perf_counter()
            project.write(folder, number)
            event = await_update(process, number + 1)
            rows.setdefault(("one", "dev"), Taken()).seconds.append(time.perf_counter() - began)
            for phase in ("render", "apply"):
                rows.setdefault(("one", f"dev: of which {phase}"), Taken()).seconds.append(
                    event["phases"].get(phase, 0)
                )
            written = sum(before.get(uid) != version for uid, version in space.versions().items())
            rows["one", "dev"].writes.append(written)
    finally:
        process.terminate()
        process.communicate()


def await_update(process: subprocess.Popen[str], number: int) -> dict[str, Any]:
    assert process.stdout
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["kind"] == "update" and event["update"] == number and event["state"] != "started":
            if event["state"] == "failed":
                raise SystemExit(f"update {number} failed: {event}")
            return event
    raise SystemExit("devloop dev ended early")


def floor(rounds: int, context: str) -> None:
    """The API server's own time for what devloop asks of it when one of 100 objects changed, on kept connections."""
    with tempfile.TemporaryDirectory() as folder, namespace(context) as space, Scope("floor") as scope:
        write_plain(Path(folder), 0)
        devloop_run(Path(folder), space)
        door = cluster_door.connect(context, space.name)
        taken: dict[str, list[float]] = {}
        for number in range(max(rounds, 5)):
            body = {**config_map("c0", number), "metadata": {"name": "c0", "namespace": space.name}}
            asked: dict[str, Callable[[], object]] = {
                "get the inventory": partial(
                    door.get, scope, ObjectRef("v1", "ConfigMap", space.name, "devloop-bench")
                ),
                "list four kinds": partial(list_kinds, scope, door, space.name),
                "apply one object": partial(door.apply, scope, body),
            }
            for name, ask in asked.items():
                began = time.perf_counter()
                ask()
                taken.setdefault(name, []).append(time.perf_counter() - began)
    for name, seconds in taken.items():
        print(f"{'API server':13}{'':9}{name:32}{statistics.median(seconds):7.3f} s")


def list_kinds(scope: Scope, door: Cluster, namespace: str) -> None:
    for version, kind in (("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment")):
        door.list(scope, version, kind, namespace=namespace, labels="applyset.kubernetes.io/part-of")


# The projects


def config_map(name: str, value: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": str(value)}}


def plain_objects(value: int) -> Iterator[dict[str, Any]]:
    for number in range(60):
        yield config_map(f"c{number}", value if number == 0 else 0)
    for number in range(20):
        spec = {"selector": {"app": "a"}, "ports": [{"port": 80}]}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{number}"}, "spec": spec}
    for number in range(10):
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"p{number}"},
            "stringData": {"password": "x"},
        }
        labels = {"app": f"d{number}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none:1"}]}}
        scaled: dict[str, Any] = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"d{number}"}, "spec": scaled}


def save(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_config(folder: Path, units: str) -> None:
    save(folder / "devloop.yaml", f"apiVersion: devloop/v1\nmetadata: {{name: bench}}\ndeploy:\n{units}")


def write_plain(folder: Path, value: int) -> None:
    write_config(folder, "  - manifests: [k8s/*.json]\n")
    for each in plain_objects(value):
        save(folder / f"k8s/{each['kind']}-{each['metadata']['name']}.json", json.dumps(each))


def write_kustomize(folder: Path, value: int) -> None:
    write_config(folder, "  - kustomize: {path: overlay}\n")
    names = [f"f{number}" for number in range(48)]
    for name in names:
        save(folder / f"base/{name}.json", json.dumps(config_map(name, value if name == "f0" else 0)))
    save(folder / "base/kustomization.yaml", f"resources: [{', '.join(f'{name}.json' for name in names)}]\n")
    save(folder / "overlay/kustomization.yaml", "resources: [../base]\ncommonAnnotations: {overlay: dev}\n")


CHARTS = range(10)


def write_charts(folder: Path, value: int) -> None:
    write_config(folder, "".join(f"  - helm: {{chart: r{number}, release: r{number}}}\n" for number in CHARTS))
    for number in CHARTS:
        chart = folder / f"r{number}"
        save(chart / "Chart.yaml", f"apiVersion: v2\nname: r{number}\nversion: 0.1.0\n")
        save(chart / "values.yaml", f"value: {value if number == 0 else 0}\n")
        for each in range(6):
            body = config_map(f"r{number}-{each}", 0)
            text = "{{ .Values.value }}" if each == 0 else "0"
            save(chart / f"templates/{each}.yaml", json.dumps({**body, "data": {"value": text}}))


# The ways


def devloop_run(folder: Path, space: Space) -> None:
    run(DEVLOOP, "run", "--context", space.context, "-n", space.name, cwd=folder)


def kubectl_apply(*options: str) -> Deploy:
    return lambda folder, space: void(space.kubectl("apply", *[each.format(folder=folder) for each in options]))


def helm_upgrade(numbers: range) -> Deploy:
    def deploy(folder: Path, space: Space) -> None:
        is_first = not json.loads(run("helm", "list", "--kube-context", space.context, "-n", space.name, "-o", "json"))
        for number in CHARTS if is_first else numbers:
            argv = ["upgrade", "--install", f"r{number}", str(folder / f"r{number}"), "-n", space.name]
            run("helm", *argv, "--kube-context", space.context)

    return deploy


def void(_text: str) -> None:
    """For what is done, not said."""


PROJECTS = (
    Project(
        "100 objects",
        write_plain,
        {
            "kubectl apply": kubectl_apply("-f", "{folder}/k8s"),
            "kubectl apply --server-side": kubectl_apply("--server-side", "-f", "{folder}/k8s"),
        },
    ),
    Project(
        "10 charts",
        write_charts,
        {"helm upgrade, all 10": helm_upgrade(CHARTS), "helm upgrade, that one": helm_upgrade(range(1))},
    ),
    Project(
        "kustomize 50",
        write_kustomize,
        {
            "kubectl apply -k": kubectl_apply("-k", "{folder}/overlay"),
            "kubectl apply -k --server-side": kubectl_apply("--server-side", "-k", "{folder}/overlay"),
        },
    ),
)


@contextmanager
def namespace(context: str) -> Iterator[Space]:
    """Made anew, and removed afterwards without waiting."""
    space = Space(context, f"devloop-bench-{time.time_ns() % 10**9}")
    run("kubectl", "--context", context, "create", "namespace", space.name)
    try:
        yield space
    finally:
        run("kubectl", "--context", context, "delete", "namespace", space.name, "--wait=false")


def run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: {done.stdout[-1000:]}{done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    missing = [each for each in ("kubectl", "helm", "kustomize") if shutil.which(each) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} not installed: there is nothing to compare with")
    main()
