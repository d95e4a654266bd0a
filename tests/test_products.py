"""What two parts read together."""

from __future__ import annotations

from pathlib import Path

from devloop.products import Inputs

BASE = Path("/p")


def inputs(root: str, *names: str, skips: str = "", definition: str = "") -> Inputs:
    folder = BASE / root
    return Inputs(
        base=BASE,
        files=tuple(folder / name for name in names),
        roots=(folder,),
        matches=lambda path: folder in path.parents,
        definitions=frozenset({folder / definition} if definition else ()),
        skips=(lambda path: path == folder / skips) if skips else None,
        why=lambda _: f"it is in {root}",
        values=((root, "1"),),
        images=("base",),
    )


def test_joined_inputs_are_all_that_either_reads() -> None:
    both = inputs("a", "x", definition="Dockerfile").joined(inputs("b", "y"))
    assert both.files == (BASE / "a/x", BASE / "b/y")
    assert both.roots == (BASE / "a", BASE / "b")
    assert both.values == (("a", "1"), ("b", "1"))
    assert both.images == ("base",)
    assert [both.matches(BASE / each) for each in ("a/new", "b/new", "c/new")] == [True, True, False]
    assert both.is_defined_by(BASE / "a/Dockerfile")
    assert both.why(BASE / "b/y") == "it is in b"
    assert both.why(BASE / "c/y") == "it is in a"


def test_a_folder_is_left_out_only_if_nobody_reads_it() -> None:
    apart = inputs("a", skips="node_modules").joined(inputs("b"))
    assert apart.leaves_out(BASE / "a/node_modules")
    assert not apart.leaves_out(BASE / "b/node_modules")
    within = inputs("a", skips="node_modules").joined(inputs("a/node_modules/mine"))
    assert not within.leaves_out(BASE / "a/node_modules")
    assert not within.leaves_out(BASE / "a/node_modules/mine")


def test_a_folder_that_only_one_of_two_leaves_out_is_read() -> None:
    assert not inputs("a", skips="logs").joined(inputs("a")).leaves_out(BASE / "a/logs")
