"""Wrong configurations, each with exactly what is said about it. `bad/NAME.txt` is what a person reads for `bad/NAME.yaml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config.load import load
from devloop.errors import ConfigError

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_everything_wrong_is_said_at_its_place(path: Path, shop: Path) -> None:
    file = shop / "devloop.yaml"
    file.write_bytes(path.read_bytes())
    with pytest.raises(ConfigError) as raised:
        load(file)
    said = "".join(f"{problem}\n" for problem in raised.value.problems)
    assert said == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_there_is_a_text_for_every_file() -> None:
    texts = {path.stem for path in (Path(__file__).parent / "bad").glob("*.txt")}
    assert texts == {path.stem for path in BAD}
