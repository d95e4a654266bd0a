"""Small folders for the tests of what `devloop init` finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devloop.setup import walk

Plant = Callable[[Mapping[str, str]], walk.Tree]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A function: path → text, as a folder that was looked at."""

    def make(files: Mapping[str, str]) -> walk.Tree:
        for path, text in files.items():
            (tmp_path / "shop" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "shop" / path).write_text(text)
        return walk.look(tmp_path / "shop")

    return make
