"""Tests that depend on how an engine stores images, once more with containerd's store: `engine` and `cluster` mean that one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.buildkit import builder_or_skip
from tests.e2e.conftest import devloop, pytest_runtest_makereport
from tests.e2e.kube import Cluster
from tests.store_engine import NoStoreEngine, context, store_engine

__all__ = ["devloop", "pytest_runtest_makereport"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster whose nodes are containers of that engine. DOCKER_HOST, PATH and KUBECONFIG reach both while these tests run."""
    try:
        variables = store_engine()
    except NoStoreEngine as why:
        pytest.skip(str(why))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield Cluster(context(), variables)


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> str:
    """The version of the engine. Fails when it is one with another store."""
    asked = ["docker", "info", "--format", "{{.ServerVersion}} {{json .DriverStatus}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "io.containerd.snapshotter" in done.stdout, done.stdout
    return done.stdout.split()[0]


@pytest.fixture(scope="module")
def buildkit(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a buildx builder apart from that engine; see tests.conftest."""
    yield from builder_or_skip(tmp_path_factory.mktemp("buildkit"))
