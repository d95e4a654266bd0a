"""What end-to-end tests have on top: the installed `devloop` command, bound to the test's folder, cluster and namespace.

When a test fails, the end of what each `devloop` said is shown; when it ends, every `devloop` is ended, and a process that one of
them left is a failure of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.engine import remove_images
from tests.e2e.kube import Cluster

DRIVER = pytest.StashKey[Devloop]()
TIMEOUT_S = 300  # real builds and rollouts on a busy machine


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    driver = item.stash.get(DRIVER, None)
    if driver is not None and report.failed and report.when == "call":
        report.sections.append(("devloop", driver.report()))
    return report


@pytest.fixture
def devloop(
    engine: str, cluster: Cluster, namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Devloop]:
    """The installed command in the test's folder, on its cluster and namespace, with a cache of its own."""
    yield from _driver(tmp_path, request, context=cluster.context, namespace=namespace)
    remove_images(f"e2e-{tmp_path.name.lower()}")


@pytest.fixture
def bare_devloop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Devloop]:
    """The installed command in the test's folder, on nothing: for what needs no cluster, or an unreachable one."""
    yield from _driver(tmp_path, request)


def _driver(
    folder: Path, request: pytest.FixtureRequest, *, context: str = "", namespace: str = ""
) -> Iterator[Devloop]:
    program = Path(sys.executable).with_name("devloop")
    driver = Devloop([str(program)], folder, {"XDG_CACHE_HOME": str(folder / ".cache")}, context, namespace)
    request.node.stash[DRIVER] = driver
    yield driver
    wrong = driver.close()
    if wrong:
        pytest.fail("\n".join(wrong) + f"\n{driver.report()}", pytrace=False)
