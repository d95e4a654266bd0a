"""What to do next. Pure: `decide(state, message) -> (state, actions)` sees no thread, clock, file or cluster.

The rules: start what is owed, has settled dependencies, is under its limits and has not already failed with these very
inputs; cancel a running step whose inputs moved on, unless it is an apply; forget nothing that is owed, whatever fails. A
change of the configuration is a message like any other, and the first pass is "everything changed".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from devloop.graph import Node, is_unit, unit_target
from devloop.loop.messages import (
    Action,
    Asked,
    Cancel,
    Cancelled,
    Changed,
    Done,
    Failed,
    Forget,
    Message,
    Reconfigured,
    Start,
    Update,
    UpdateEnded,
    UpdateStarted,
)
from devloop.loop.state import HELD, MANIFESTS, Have, Running, State
from devloop.products import Applied

K = TypeVar("K")
V = TypeVar("V")


def decide(state: State, message: Message) -> tuple[State, tuple[Action, ...]]:
    """The state after the message, and what has to be done because of it, in this order."""
    state, learnt = _learn(state, message)
    state, cancels = _cancel_stale(state)
    state, starts = _start_owed(state)
    state, forgotten = _forget_left(state)
    state, ended = _end_updates(state)
    return state, (*learnt, *cancels, *starts, *forgotten, *ended)


def is_idle(state: State) -> bool:
    """Whether nothing runs and nothing can start until something changes."""
    return not state.running and not any(is_startable(state, node) for node in state.graph.nodes)


def is_startable(state: State, node: Node) -> bool:
    """Whether the node is owed and nothing but a limit keeps it from starting."""
    want = state.want(node)
    return (
        want is not None
        and not state.is_stopping
        and node not in state.running
        and not state.is_current(node)
        and state.failed.get(node) != want
        and not _is_ended_by_failure(state)
        and _may_apply(state, node)
    )


def _is_ended_by_failure(state: State) -> bool:
    return not state.policy.is_partial and any(map(state.is_failed, state.failed))


def _may_apply(state: State, node: Node) -> bool:
    if node.step != "apply":
        return True
    if node.target not in state.comparable:
        return False
    if not state.policy.is_partial and not all(map(state.is_placed, state.uses(node.target))):
        return False
    if state.graph.unit_names[node.target] in state.graph.waits and not state.is_current(Node(node.target, "await")):
        return False
    return all(
        _is_needed_ready(state, unit_target(need)) for need in state.graph.units[state.graph.unit_names[node.target]]
    )


def _is_needed_ready(state: State, target: str) -> bool:
    """In dev, a unit that was ready once and then fails does not block what needs it; while it is on its way it does."""
    ready = Node(target, "ready")
    if state.is_current(ready):
        return True
    is_broken = any(state.is_failed(Node(target, step)) for step in ("render", "apply", "ready"))
    return state.policy.is_partial and ready in state.have and is_broken


# What a message teaches


def _learn(state: State, message: Message) -> tuple[State, tuple[Action, ...]]:
    match message:
        case Changed():
            return _changed(state, message)
        case Reconfigured():
            return _reconfigured(state, message)
        case Done():
            return _done(state, message)
        case Failed(node, digest):
            # A step that was told to stop may answer that it failed; nobody wants those inputs any more.
            if not state.running[node].is_cancelling and node in state.graph.nodes:
                state = replace(state, failed={**state.failed, node: digest})
            return replace(state, running=_without(state.running, node)), ()
        case Cancelled(node):
            return replace(state, running=_without(state.running, node)), ()
        case Asked("quit"):
            return replace(state, is_stopping=True), ()
        case Asked():
            return _retried(state, message)


def _changed(state: State, message: Changed) -> tuple[State, tuple[Action, ...]]:
    known = {target: digest for target, digest in message.inputs.items() if target in state.graph.targets}
    moved = frozenset(target for target, digest in known.items() if state.inputs.get(target) != digest)
    if not moved:
        return state, ()
    state = replace(state, inputs={**state.inputs, **known}, reasons={**state.reasons, **message.reasons})
    return _open_update(state, moved, message.files)


def _reconfigured(state: State, message: Reconfigured) -> tuple[State, tuple[Action, ...]]:
    new = message.graph
    gone = frozenset(state.graph.targets) - frozenset(new.targets)
    moved = frozenset(target for target in new.targets if state.inputs.get(target) != message.inputs.get(target))
    nodes = frozenset(new.nodes)
    state = replace(
        state,
        graph=new,
        policy=replace(state.policy, builds=message.builds),
        inputs=dict(message.inputs),
        reasons={**state.reasons, **message.reasons},
        have={node: have for node, have in state.have.items() if node in nodes},
        failed={node: digest for node, digest in state.failed.items() if node in nodes},
        leaving=(state.leaving | gone) - frozenset(new.targets),
        updates=tuple(replace(each, targets=each.targets - gone) for each in state.updates),
    )
    return _open_update(state, moved, message.files) if moved else (state, ())


def _forget_left(state: State) -> tuple[State, tuple[Action, ...]]:
    """Lets go of targets that left the graph: images once nothing of them runs, units only once every unit that stayed is applied.

    A unit's objects may have moved to another one, which first has to take them over.
    """
    busy = {node.target for node in state.running}
    is_all_applied = all(state.is_current(node) for node in state.graph.nodes if node.step == "apply")
    gone = {each for each in state.leaving - busy if is_all_applied or not is_unit(each)}
    if not gone:
        return state, ()
    return replace(state, leaving=state.leaving - gone), tuple(map(Forget, sorted(gone)))


def _done(state: State, message: Done) -> tuple[State, tuple[Action, ...]]:
    node = message.node
    run = state.running.get(node)
    opened: tuple[Action, ...] = ()
    if run is None:
        if not state.is_failed(node) or message.digest != state.want(node):
            return state, ()
        state, opened = _open_update(state, frozenset({node.target}), ("recovered",))
    state = replace(
        state,
        running=_without(state.running, node),
        failed=_without(state.failed, node),
        have={**state.have, node: Have(message.digest, message.product, run.basis if run else {})},
    )
    if node not in state.graph.nodes:
        state = replace(state, have=_without(state.have, node))
    return state, opened


def _retried(state: State, message: Asked) -> tuple[State, tuple[Action, ...]]:
    again = frozenset(node for node in state.failed if not message.targets or node.target in message.targets)
    if not again:
        return state, ()
    state = replace(state, failed={node: digest for node, digest in state.failed.items() if node not in again})
    targets = frozenset(node.target for node in again)
    return _open_update(
        replace(state, reasons={**state.reasons, **dict.fromkeys(targets, message.why)}), targets, (message.why,)
    )


def _open_update(state: State, targets: frozenset[str], changed: tuple[str, ...]) -> tuple[State, tuple[Action, ...]]:
    """A change of a target that is already on its way joins that update: it is one wait for the person who saved twice."""
    for update in state.updates:
        if update.targets & targets:
            files = tuple(dict.fromkeys((*update.changed, *changed)))
            joined = replace(update, targets=update.targets | targets, changed=files)
            return replace(state, updates=tuple(joined if each is update else each for each in state.updates)), ()
    update = Update(state.last_update + 1, changed, targets)
    return replace(state, updates=(*state.updates, update), last_update=update.number), (UpdateStarted(update),)


# What follows


def _cancel_stale(state: State) -> tuple[State, tuple[Action, ...]]:
    cancels = []
    running = dict(state.running)
    for node, run in state.running.items():
        reason = _why_cancel(state, node, run)
        if reason and not run.is_cancelling and node.step != "apply":
            running[node] = replace(run, is_cancelling=True)
            cancels.append(Cancel(node, reason))
    return replace(state, running=running) if cancels else state, tuple(cancels)


def _why_cancel(state: State, node: Node, run: Running) -> str:
    if state.is_stopping:
        return "stopping"
    if node not in state.graph.nodes:
        return "no longer part of the project"
    if state.want(node) != run.digest:
        return "superseded by a newer change"
    if _is_ended_by_failure(state):
        return "another step failed"
    return ""


def _start_owed(state: State) -> tuple[State, tuple[Action, ...]]:
    starts: list[Action] = []
    running = dict(state.running)
    builds = sum(node.step == "build" for node in running)
    for node in state.graph.nodes:
        want = state.want(node)
        if want is None or not is_startable(state, node):
            continue
        if node.step == "build":
            if 0 < state.policy.builds <= builds:
                continue
            builds += 1
        basis = state.basis(node)
        holds = frozenset(name for name in basis if name != MANIFESTS and not state.is_placed(name))
        running[node] = Running(want, basis)
        inputs = state.inputs.get(node.target, "")
        starts.append(
            Start(node, want, _reason(state, node), _update_of(state, node), basis, holds, inputs, state.rivals(node))
        )
    if not starts:
        return state, ()
    # An old failure of what runs again is history: should its inputs come back, they are tried afresh and explained afresh.
    failed = {node: digest for node, digest in state.failed.items() if node not in running}
    # A test runs for its image or for its own inputs: why it ran once is not why it runs the next time.
    tests = {each.node.target for each in starts if isinstance(each, Start) and each.node.step == "test"}
    reasons = {target: why for target, why in state.reasons.items() if target not in tests}
    have = _outdated(
        state, {each.node.target for each in starts if isinstance(each, Start) and each.node.step == "apply"}
    )
    return replace(state, have=have, running=running, failed=failed, reasons=reasons), tuple(starts)


def _outdated(state: State, targets: set[str]) -> Mapping[Node, Have]:
    """What is had once these units are being applied: in the cluster is no longer what was, even if that is wanted again."""
    if not targets:
        return state.have
    nodes = {Node(target, step) for target in targets for step in ("apply", "ready")}
    return {node: replace(have, digest="") if node in nodes else have for node, have in state.have.items()}


def _reason(state: State, node: Node) -> str:
    have = state.have.get(node)
    match node.step:
        case "build" | "render":
            return state.reasons.get(node.target) or (
                "first time in this session" if have is None else "a required image changed"
            )
        case "test":
            return state.reasons.get(node.target) or "new image"
        case "place":
            return "new image"
        case "await":
            return "needed before it is applied"
        case "apply" if have is not None:
            basis = state.basis(node)
            new = [name for name in basis if name != MANIFESTS and basis[name] not in (have.basis.get(name), HELD)]
            words = ["manifests changed"] if basis[MANIFESTS] != have.basis.get(MANIFESTS) else []
            if isinstance(have.product, Applied) and have.product.postponed:
                words.append("what it left behind is nobody's")
            return ", ".join([*words, *(f"new image {name}" for name in new)]) or state.reasons.get(
                node.target, "again"
            )
        case "apply":
            return state.reasons.get(node.target) or "first time in this session"
        case _:
            return "was applied"


def _update_of(state: State, node: Node) -> int:
    return max(
        (each.number for each in state.updates if node in state.closure(each.targets)), default=state.last_update
    )


def _end_updates(state: State) -> tuple[State, tuple[Action, ...]]:
    if state.is_stopping:
        return state, ()
    is_nothing_left = is_idle(state)
    ended: list[Action] = []
    for update in state.updates:
        nodes = state.closure(update.targets)
        if all(map(state.is_current, nodes)):
            ended.append(UpdateEnded(update, is_ready=True))
        elif is_nothing_left or (any(map(state.is_failed, nodes)) and not any(_moves(state, node) for node in nodes)):
            ended.append(UpdateEnded(update, is_ready=False))
    gone = {each.update.number for each in ended if isinstance(each, UpdateEnded)}
    return replace(state, updates=tuple(each for each in state.updates if each.number not in gone)), tuple(ended)


def _moves(state: State, node: Node) -> bool:
    return node in state.running or is_startable(state, node)


def _without(mapping: Mapping[K, V], key: K) -> dict[K, V]:
    return {each: value for each, value in mapping.items() if each != key}
