"""Wrong configurations, each with exactly what is said about it. `bad/NAME.txt` is what a person reads for `bad/NAME.yaml`.

A file that begins with `# -p NAME,NAME` is loaded with these profiles.
"""

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
        load(file, profiles(path.read_bytes()))
    said = "".join(f"{problem}\n" for problem in raised.value.problems)
    assert said == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [b"a: b\n", b"- x\n", b"[", b"&a [*a]\n", b"#" * 100 + b"\n", b"\xff" * 100])
def test_a_file_of_ten_megabytes_is_not_read_to_its_end(line: bytes, shop: Path) -> None:
    file = shop / "devloop.yaml"
    file.write_bytes(line * (10_000_000 // len(line)))
    with pytest.raises(ConfigError) as raised:
        load(file)
    (problem,) = raised.value.problems
    assert str(problem) == (
        "devloop.yaml:1:1: the file is larger than 1 MB; a configuration is a few kilobytes: is it the right file?"
    )


def profiles(data: bytes) -> list[str]:
    first = data.partition(b"\n")[0]
    return first.removeprefix(b"# -p ").decode().split(",") if first.startswith(b"# -p ") else []


def test_there_is_a_text_for_every_file() -> None:
    texts = {path.stem for path in (Path(__file__).parent / "bad").glob("*.txt")}
    assert texts == {path.stem for path in BAD}
