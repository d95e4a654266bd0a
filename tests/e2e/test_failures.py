"""What breaks is said once, with cause and place, and the fixing edit heals it; in `run` it is exit code 1 within seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.project import DOCKERFILE, Project
from tests.e2e.web import http_get


@dataclass(frozen=True)
class Breakage:
    """A way to break a project. `step` fails, and its error, place and evidence contain `words`."""

    path: str
    text: Callable[[Project], str]
    step: str
    words: tuple[str, ...]


BREAKAGES = {
    "build": Breakage(
        "web/Dockerfile", lambda p: DOCKERFILE + "RUN echo because; exit 4\n", "build", ("4", "Dockerfile:4", "because")
    ),
    "dockerfile": Breakage("web/Dockerfile", lambda p: DOCKERFILE + "RUNN true\n", "build", ("Dockerfile:4", "RUNN")),
    "copy": Breakage(
        "web/Dockerfile", lambda p: DOCKERFILE + "COPY nothing.txt /\n", "build", ("nothing.txt", "Dockerfile:4")
    ),
    "render": Breakage("k8s/web.yaml", lambda p: p.manifest() + "  broken: [\n", "render", ("k8s/web.yaml:",)),
    "apply": Breakage(
        "k8s/web.yaml",
        lambda p: p.manifest().replace("name: web}", "name: Web_}", 1),
        "apply",
        ("k8s/web.yaml", "Web_"),
    ),
    "crash": Breakage(
        "web/Dockerfile",
        lambda p: DOCKERFILE + 'CMD ["sh", "-c", "echo oh no; exit 3"]\n',
        "ready",
        ("deployment/web", "3", "oh no"),
    ),
    "pull": Breakage(
        "k8s/web.yaml",
        lambda p: p.manifest().replace(p.image("web"), "e2e.invalid/nothing:1"),
        "ready",
        ("deployment/web", "e2e.invalid/nothing:1"),
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def told(event: dict[str, object]) -> str:
    return " ".join(str(event.get(name, "")) for name in ("error", "where", "hint", "evidence"))


@pytest.mark.parametrize("name", BREAKAGES)
def test_dev_says_it_once_and_the_fixing_edit_heals_it(name: str, devloop: Devloop, project: Project) -> None:
    broken = BREAKAGES[name]
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    good = (project.folder / broken.path).read_text()
    project.write(broken.path, broken.text(project))
    failed = dev.wait_event(kind="step", state="failed")
    assert failed["step"] == broken.step
    for word in broken.words:
        assert word in told(failed)
    dev.wait_event(kind="update", update=2, state="failed")
    assert http_get(project.port).text.strip() == "first"
    project.write(broken.path, good)
    project.edit("healed")
    http_get(project.port, until=lambda answer: answer.text.strip() == "healed")
    assert [event["step"] for event in dev.events if event.get("state") == "failed" and event["kind"] == "step"] == [
        broken.step
    ]


@pytest.mark.parametrize("name", BREAKAGES)
def test_run_ends_with_1_and_says_why(name: str, devloop: Devloop, project: Project) -> None:
    broken = BREAKAGES[name]
    project.write(broken.path, broken.text(project))
    done = devloop.at(project.folder).run("run", timeout_s=60)
    assert done.code == 1, done.stdout
    (failed,) = done.of(kind="step", state="failed")
    assert failed["step"] == broken.step
    for word in broken.words:
        assert word in told(failed)
    assert done.events[-1]["exit_code"] == 1


def test_a_crash_that_mends_itself_is_ready_in_the_end(devloop: Devloop, project: Project) -> None:
    project.write(
        "web/Dockerfile",
        DOCKERFILE
        + 'CMD ["sh", "-c", "[ -e /seen/it ] && exec httpd -f -p 8080 -h /www; sleep 1; touch /seen/it; exit 7"]\n',
    )
    manifest = project.manifest().replace(
        "          readinessProbe", "          volumeMounts: [{name: seen, mountPath: /seen}]\n          readinessProbe"
    )
    project.write("k8s/web.yaml", manifest + "      volumes: [{name: seen, emptyDir: {}}]\n")
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(lambda event: event["state"] == "ready", kind="update")
    http_get(project.port)
