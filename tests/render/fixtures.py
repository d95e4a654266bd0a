"""The table of fixtures that holds every renderer to its word: an edit of a file renders again if, and only if, the output can hang on it.

Comes in: a `Fixture`, a small tree with a unit. Goes out: what is wrong, in words; nothing is right. The judge is the renderer itself,
run for real: each file in turn is emptied, filled with rubbish, and removed. What shows in the objects (or in how rendering fails)
has to move the digest of the unit's inputs; what never shows must not. So it goes with files that only come, and with edits.

A table of another renderer is a test of its own (`test_NAME_inputs.py`):

    FIXTURES = (Fixture("values", helm("chart"), {"chart/Chart.yaml": "…", …}), …)

    @pytest.mark.parametrize("fixture", FIXTURES, ids=str)
    def test_an_edit_renders_again_exactly_where_it_counts(fixture, tmp_path, real_tools) -> None:
        assert broken_promises(fixture, tmp_path, real_tools("helm")) == []
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devloop import builtin
from devloop.config import model
from devloop.errors import DevloopError
from devloop.loop.track import Listing, Tracker
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.store.digests import FileDigests

RUBBISH = "\trubbish: [that {{ nothing can read\n"
TARGET = "deploy/u"


@dataclass(frozen=True)
class Fixture:
    """A tree and what is rendered from it. `links`: link → what it says. `comes`: files that are not there yet, and may come.

    `edits`: more to try, file → its other text, where rubbish shows less than an edit. `surplus`: files that count although nothing
    shows here: what the tool may read and does not use in this fixture. `fails`: whether the tree renders at all.
    """

    name: str
    unit: model.Unit
    files: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    comes: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, str] = field(default_factory=dict)
    surplus: frozenset[str] = frozenset()
    fails: bool = False

    def __str__(self) -> str:
        return self.name


def broken_promises(fixture: Fixture, folder: Path, tools: Tools) -> list[str]:
    """What the unit's inputs get wrong, one sentence each. Blocks on real renderers. `folder`: an empty one."""
    base = folder / "tree"
    bench = _Bench(fixture, base, tools)
    bench.lay_out()
    rendered = bench.outcome()
    found = [f"it renders: {rendered}"] if fixture.fails != rendered.startswith("failed") else []
    for name in (*fixture.files, *fixture.links, *fixture.comes):
        found += _judged(name, fixture, list(_trials(bench, name, fixture, rendered)))
    return found


@dataclass(frozen=True)
class _Trial:
    """What an edit did. `shows`: in the output. `counts`: in the digest of what the unit reads. `how`: in words."""

    how: str
    shows: bool
    counts: bool


def _trials(bench: _Bench, name: str, fixture: Fixture, before: str) -> Iterator[_Trial]:
    """Changes of one file, up to the first that shows and counts: more of the same teaches nothing."""
    for change in _changes(name, fixture):
        trial = _tried(bench, name, change, before)
        yield trial
        if trial.shows and trial.counts:
            return


def _judged(name: str, fixture: Fixture, trials: list[_Trial]) -> Iterator[str]:
    missed = [each.how for each in trials if each.shows and not each.counts]
    if missed:
        yield f"{name} {', '.join(missed)}: the output changes, and nothing is rendered again"
    counted = any(each.counts for each in trials)
    if counted and not any(each.shows for each in trials) and name not in fixture.surplus:
        yield f"{name}: it counts, and no change of it shows"
    if name in fixture.surplus and (not counted or any(each.shows for each in trials)):
        yield f"{name}: it is told to be surplus, and is not"


def _changes(name: str, fixture: Fixture) -> Iterator[tuple[str, Callable[[Path], None]]]:
    if name in fixture.comes:
        yield "comes", lambda path: _write(path, fixture.comes[name])
        return
    if name in fixture.links:
        yield "leads nowhere", lambda path: _link(path, "nowhere at all")
    else:
        yield "filled with rubbish", lambda path: _write(path, RUBBISH)
        yield "emptied", lambda path: _write(path, "")
    if name in fixture.edits:
        yield "edited", lambda path: _write(path, fixture.edits[name])
    yield "removed", os.unlink


def _tried(bench: _Bench, name: str, change: tuple[str, Callable[[Path], None]], before: str) -> _Trial:
    how, make = change
    bench.lay_out()
    path = bench.base / name
    with Scope("trial") as scope:
        tracker = bench.tracker(scope)
        make(path)
        is_watched = any(path == root or root in path.parents for root in tracker.roots())
        counts = is_watched and tracker.changed(scope, [path]) is not None
    return _Trial(how, bench.outcome() != before, counts)


class _Bench:
    """One fixture on disk with the renderer that its unit asks for."""

    def __init__(self, fixture: Fixture, base: Path, tools: Tools) -> None:
        self.base = base
        self._fixture = fixture
        self._tools = tools
        self._renderer = builtin.renderer(fixture.unit)

    def lay_out(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir()
        for name, text in self._fixture.files.items():
            _write(self.base / name, text)
        for name, target in self._fixture.links.items():
            _link(self.base / name, target)

    def tracker(self, scope: Scope) -> Tracker:
        """As in a session, just started."""
        unit = self._fixture.unit
        listing = Listing(lambda scope: self._renderer.inputs(scope, unit, self.base, self._tools), self.base)
        tracker = Tracker(FileDigests(), self.base)
        tracker.track(scope, {TARGET: listing})
        return tracker

    def outcome(self) -> str:
        """The objects, wherever they are written, or how rendering fails."""
        with Scope("outcome") as scope:
            try:
                found = self._renderer.render(scope, self._fixture.unit, self.base, "default", self._tools)
            except DevloopError as exc:
                return f"failed: {exc.message} {exc.evidence}"
        return json.dumps([each.object for each in found], sort_keys=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
