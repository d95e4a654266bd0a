"""What a file is to a project, and what a target reads, as events.

Comes in: the inputs of all targets, listed now, and a state in which everything is rendered. Goes out: the facts, each with its rule.
It starts nothing, and does not say whether work is owed: that takes the engine or the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devloop import events
from devloop.errors import DevloopError
from devloop.graph import ALL_STEPS, image_target, image_test_target, unit_target
from devloop.loop.state import State
from devloop.products import Inputs


@dataclass(frozen=True)
class Known:
    """`inputs`: target → what it reads, or why that cannot be told. `config`: the files of the configuration. `name`: a path as
    people know it.
    """

    state: State
    inputs: Mapping[str, Inputs | DevloopError]
    config: frozenset[Path]
    name: Callable[[Path], str]


def of_file(known: Known, path: Path) -> events.File:
    """What saving the path would lead to; there or not, a folder with all below it. May look at the disk."""
    feeds: dict[str, str] = {}
    ignored_by: dict[str, str] = {}
    for target, inputs in known.inputs.items():
        rule, counts = _rule(path, inputs)
        (feeds if counts else ignored_by)[target] = rule
    if path in known.config:
        feeds |= dict.fromkeys(known.inputs, "it is the configuration; only what a change in it touches is done again")
        ignored_by = {}
    return events.File(
        path=known.name(path), feeds=feeds, ignored_by=ignored_by, follows=_follows(known.state, frozenset(feeds))
    )


def of_target(known: Known, target: str, *, digest: str, ref: str = "") -> events.Target:
    """What the target reads and hangs on; `owed` and `why` are left to be filled in, unless its inputs cannot be told."""
    inputs = known.inputs[target]
    graph = known.state.graph
    if target in graph.artifacts:
        name = graph.artifacts[target]
        builds_on = tuple(map(image_target, graph.images[name]))
        built = sorted(graph.dependants[name] - {name})
        users = (unit_target(unit) for unit in graph.units if name in known.state.uses(unit_target(unit)))
        tests = (each for each in (image_test_target(name),) if each in graph.tested)
        feeds = (*tests, *map(image_target, built), *users)
    elif target in graph.tested:
        builds_on, feeds = (image_target(graph.tested[target]),), ()
    else:
        unit = graph.unit_names[target]
        builds_on = (*map(image_target, sorted(known.state.uses(target))), *map(unit_target, graph.units[unit]))
        feeds = tuple(unit_target(each) for each, needs in graph.units.items() if unit in needs)
    if isinstance(inputs, DevloopError):
        place = f"{inputs.where}: " if inputs.where else ""
        why = (f"its inputs cannot be told: {place}{inputs.message}",)
        return events.Target(target=target, digest="", files=(), builds_on=builds_on, feeds=feeds, why=why)
    files = tuple(map(known.name, inputs.files))
    return events.Target(
        target=target,
        digest=digest,
        ref=ref,
        files=files,
        builds_on=builds_on,
        images=inputs.images,
        feeds=feeds,
        why=(),
    )


def _rule(path: Path, inputs: Inputs | DevloopError) -> tuple[str, bool]:
    """The rule, and whether the path counts by it."""
    if isinstance(inputs, DevloopError):
        return f"what it reads cannot be told: {inputs.message}", True
    below = sum(path in each.parents for each in inputs.files)
    if below:
        return f"{below} {'file' if below == 1 else 'files'} below it", True
    return inputs.why(path), inputs.matches(path) or inputs.is_defined_by(path)


def _follows(state: State, targets: frozenset[str]) -> tuple[str, ...]:
    whole = State(replace(state.graph, steps=ALL_STEPS), have=state.have)
    # An image that passes again is the one that was placed.
    reached = whole.closure(targets - whole.graph.tested.keys())
    # A unit is rendered again for its own files only; a new image is filled into what was rendered.
    return tuple(
        str(node) for node in whole.graph.nodes if node.target in targets or (node in reached and node.step != "render")
    )
