"""A folder to write projects into, and tools that run real programs; tests of what is not installed are skipped."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from devloop.effects.process import RealProcesses
from devloop.scope import Scope
from devloop.stages import Engine, Processes, Tools


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as scope:
        yield scope


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """A function: relative path → text; returns the folder that they are written into."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def real_tools(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Tools]:
    """A function: the name of a program that the test needs → tools that run real ones."""
    home = Path(os.environ.get("DEVLOOP_TESTBED_HOME", Path.home() / ".cache" / "devloop-testbed"))
    monkeypatch.setenv("PATH", os.pathsep.join([os.environ.get("PATH", ""), str(home / "bin")]))

    def tools(program: str) -> Tools:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        return tools_with(RealProcesses())

    return tools


@pytest.fixture
def yq_tools(real_tools: Callable[[str], Tools], monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Tools whose `yq` is Mike Farah's: some systems have another program of that name."""
    home = Path(os.environ.get("DEVLOOP_TESTBED_HOME", Path.home() / ".cache" / "devloop-testbed"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(home / "bin"), os.environ.get("PATH", "")]))
    tools = real_tools("yq")
    with Scope("yq") as scope:
        if "mikefarah" not in tools.processes.run(scope, ["yq", "--version"], check=False).stdout:
            pytest.skip("Mike Farah's yq is not installed")
    return tools


@pytest.fixture
def ytt_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_tools: Callable[[str], Tools]) -> Tools:
    """Tools whose `ytt` is `ytt.py`, which knows ytt's command line and no template."""
    script = tmp_path / "bin" / "ytt"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('ytt.py').read_text(encoding='utf-8')}")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(script.parent), os.environ.get("PATH", "")]))
    return real_tools("ytt")


@pytest.fixture
def helm_tools(
    real_tools: Callable[[str], Tools], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Tools]:
    """A function: `helm` (Helm 3) or `helm4` → tools whose `helm` it is."""

    def found(program: str) -> Tools:
        tools = real_tools(program)
        folder = tmp_path_factory.mktemp("bin")
        (folder / "helm").symlink_to(str(shutil.which(program)))
        monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ.get("PATH", "")]))
        return tools

    return found


@pytest.fixture(params=["helm", "helm4"])
def helm(request: pytest.FixtureRequest, helm_tools: Callable[[str], Tools]) -> Tools:
    """Tools whose `helm` is Helm 3, then Helm 4."""
    return helm_tools(request.param)


def tools_with(processes: Processes) -> Tools:
    """Tools of a renderer, which never touches the engine."""
    return Tools(processes, cast("Engine", _NoEngine()))


class _NoEngine:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a renderer asked the engine for {name}")
