"""What `devloop init` shows: what was found, every file's text, what was left out; then names and the next step."""

from __future__ import annotations

from devloop.events import Setup
from devloop.ui import setup

EVENT = Setup(state="would write", found=("Dockerfile",), files={"devloop.yaml": "# c\na: 1\n"}, notes=("x: left out",))


def plain(_style: str, text: str) -> str:
    return text


def test_what_would_be_written_is_shown_whole() -> None:
    assert list(setup.lines(EVENT, plain)) == [
        "found Dockerfile", "", "── devloop.yaml", "   # c", "   a: 1", "", "! x: left out"
    ]  # fmt: skip


def test_what_was_written_is_named_with_what_comes_next() -> None:
    first, last = setup.lines(Setup(state="written", files=EVENT.files), plain)
    assert first == "✓ wrote devloop.yaml"
    assert last.startswith("  next: devloop dev")


def test_comments_are_dim() -> None:
    shown = list(setup.lines(EVENT, lambda style, text: f"<{style}>{text}"))
    assert "<dim>   # c" in shown
    assert "   a: 1" in shown
