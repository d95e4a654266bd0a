"""A folder to write projects into, and tools that run real programs; tests of what is not installed are skipped."""

from __future__ import annotations

import os
import shutil
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


def tools_with(processes: Processes) -> Tools:
    """Tools of a renderer, which never touches the engine."""
    return Tools(processes, cast("Engine", _NoEngine()))


class _NoEngine:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a renderer asked the engine for {name}")
