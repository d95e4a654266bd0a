"""`devloop dev` with the ko builder: what the program is made of follows its imports, through errors as well."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Session
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.project import free_ports
from tests.e2e.web import http_get


@pytest.fixture
def project(cluster: Cluster, workdir: Callable[[str], Path]) -> tuple[Path, int]:
    for program in ("go", "ko"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder, (port,) = workdir("ko"), free_ports(1)
    for file in (folder / "devloop.yaml", folder / "k8s/ko-hello.yaml"):
        file.write_text(file.read_text().replace("ko-hello", "e2e-ko").replace("18086", str(port)))
    return folder, port


# Go compiles its library in the first build that the engine has no image of.
COMPILES_S = 100


@pytest.mark.timeout(300)
def test_a_package_that_is_imported_before_it_is_written_is_built_once_it_is_there(
    devloop: Devloop, project: tuple[Path, int], kubectl: Kubectl
) -> None:
    folder, port = project
    dev = devloop.at(folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready", timeout_s=COMPILES_S)
    http_get(port, until=lambda answer: answer.text.strip() == "Hello from ko!")

    (folder / "greeting/name.txt").write_text("an edit")
    http_get(port, until=lambda answer: answer.text.strip() == "Hello from an edit", timeout_s=COMPILES_S)

    main = folder / "main.go"
    text = main.read_text().replace('"example.com/hello/greeting"', '"example.com/hello/later"')
    main.write_text(text.replace("greeting.Text()", "later.Text()"))
    failed = dev.wait_event(kind="step", step="build", state="failed")
    assert "example.com/hello/later" in str(failed)
    assert "main.go:9:2" in str(failed)

    (folder / "later").mkdir()
    (folder / "later/later.go").write_text('package later\n\nfunc Text() string { return "Hello, later" }\n')
    http_get(port, until=lambda answer: answer.text.strip() == "Hello, later")

    before = builds(dev)
    (folder / "greeting/name.txt").write_text("nobody")  # no more a part of the program
    (folder / "later/later.go").write_text('package later\n\nfunc Text() string { return "Hello at last" }\n')
    http_get(port, until=lambda answer: answer.text.strip() == "Hello at last")
    assert builds(dev) == before + 1


def builds(dev: Session) -> int:
    """How many ended well; the engine may have the image of an earlier run of this test."""
    return sum(event.get("step") == "build" and event["state"] in {"finished", "skipped"} for event in dev.events)
