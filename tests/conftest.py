"""What tests may ask for: the real engine, the real cluster, a namespace and a work folder of their own.

A test that takes `engine` or `cluster` is marked `docker` or `cluster`, and one so marked gets it: whichever it has, it is skipped
with the reason where there is none. With DEVLOOP_TEST_REQUIRE_CLUSTER (scripts/test, once it has a cluster) it fails instead.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.buildkit import builder_or_skip
from tests.e2e.kube import Cluster, Kubectl, NoCluster, create_namespace, delete_stale_namespaces, find_cluster
from tests.e2e.local_registry import LocalRegistry, NoRegistry, local_registry
from tests.podman import NoPodman, podman_service

EXAMPLES = Path(__file__).parent.parent / "examples"
MARKED_BY = {"engine": "docker", "cluster": "cluster"}
BUSYBOX = "busybox:1.37"


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and what it starts would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, marker in MARKED_BY.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def _what_the_markers_name(request: pytest.FixtureRequest) -> None:
    for fixture, marker in MARKED_BY.items():
        if request.node.get_closest_marker(marker):
            request.getfixturevalue(fixture)


@pytest.fixture(scope="session")
def engine() -> str:
    """The version of the Docker engine that answers."""
    program = shutil.which("docker")
    if program is None:
        return _unavailable("no Docker engine: docker is not installed")
    asked = subprocess.run(
        [program, "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        return _unavailable(f"no Docker engine answers: {asked.stderr.strip()[-300:]}")
    return asked.stdout.strip()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster to test on; PATH and KUBECONFIG reach it while the tests run."""
    try:
        found = find_cluster()
    except NoCluster as problem:
        _unavailable(str(problem))
        return
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in found.variables.items():
            patch.setenv(variable, value)
        delete_stale_namespaces(found.context)
        yield found


@pytest.fixture(scope="session")
def busybox(cluster: Cluster) -> str:
    """The image, loaded to the node when it is a kind cluster; a test whose pods run it as it is must ask for it."""
    if cluster.kind_name:
        argv = ["kind", "load", "docker-image", BUSYBOX, "--name", cluster.kind_name]
        loaded = subprocess.run(argv, capture_output=True, text=True, check=False)
        if loaded.returncode:
            return _unavailable(f"{BUSYBOX} cannot be loaded to the node: {loaded.stderr.strip()[-300:]}")
    return BUSYBOX


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, named after the test; deleted afterwards without waiting for it."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    name = f"t-{words[:30].strip('-')}-{uuid.uuid4().hex[:6]}"
    create_namespace(cluster.context, name)
    yield name
    Kubectl(cluster.context, name).run("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    """kubectl on the test's own namespace."""
    return Kubectl(cluster.context, namespace)


@pytest.fixture
def registry(engine: str, cluster: Cluster) -> Iterator[LocalRegistry]:
    """A registry that the cluster's nodes pull from, as long as the test runs."""
    try:
        with local_registry(cluster.kind_name) as found:
            yield found
    except NoRegistry as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def buildkit(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a buildx builder with a BuildKit of today; it knows none of the engine's images."""
    yield from builder_or_skip(tmp_path_factory.mktemp("buildkit"))


@pytest.fixture(scope="session")
def podman(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a podman's Docker-compatible socket; it has busybox."""
    try:
        with podman_service(tmp_path_factory.mktemp("podman")) as address:
            yield address
    except NoPodman as why:
        pytest.skip(str(why))


@pytest.fixture
def workdir(tmp_path: Path) -> Callable[[str], Path]:
    """A function: the name of an example → the folder of a fresh copy of it."""

    def copy(example: str) -> Path:
        return shutil.copytree(EXAMPLES / example, tmp_path / example)

    return copy


def _unavailable(reason: str) -> str:
    if os.environ.get("DEVLOOP_TEST_REQUIRE_CLUSTER"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
