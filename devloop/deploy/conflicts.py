"""Whose fields an apply would take, and which of them it may.

Comes in: the API server's refusal (409) of an apply that is not forced. Goes out: the fields with their managers, sorted into what is left
to them, what is taken over, and what is disputed. Pure. No field is taken from another manager unless it was asked for; the only
exception is the first apply of an object that was made by plain kubectl, whose commands know no owners.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devloop.products import Object
from devloop.stages import ApiRefusal

# https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]*)"(?: with subresource "(?P<subresource>[^"]*)")?')
_REPLICAS = ".spec.replicas"
# What `kubectl apply` without --server-side, `create`, `run` and `expose` call themselves, and what was there before fields had owners.
WITHOUT_OWNERSHIP = frozenset(
    {"kubectl-client-side-apply", "kubectl-create", "kubectl-run", "kubectl-expose", "before-first-apply"}
)


@dataclass(frozen=True)
class Conflict:
    """A field that another manager set to another value. `subresource`: through which it did, `scale` for an autoscaler."""

    manager: str
    field: str
    subresource: str = ""


@dataclass(frozen=True)
class Settled:
    """What becomes of the conflicts. `left`: stay as they are; `taken`: become ours; `disputed`: somebody has to decide."""

    left: tuple[Conflict, ...] = ()
    taken: tuple[Conflict, ...] = ()
    disputed: tuple[Conflict, ...] = ()


def found(refusal: ApiRefusal) -> tuple[Conflict, ...]:
    """The conflicts that the refusal is about; none when it is about something else."""
    if refusal.code != 409:
        return ()
    causes = [each for each in refusal.details.get("causes") or () if each.get("reason") == "FieldManagerConflict"]
    return tuple(sorted((_conflict(each) for each in causes), key=lambda each: (each.manager, each.field)))


def _conflict(cause: Object) -> Conflict:
    told = _CONFLICT.search(str(cause.get("message", "")))
    manager, subresource = (told["manager"], told["subresource"] or "") if told else ("another manager", "")
    return Conflict(manager, str(cause.get("field", "")), subresource)


def settle(conflicts: Iterable[Conflict], *, is_forcing: bool, is_first: bool) -> Settled:
    """What may be done about them. `is_first`: the object is not devloop's yet."""
    left, taken, disputed = [], [], []
    for each in conflicts:
        if is_forcing or (is_first and each.manager in WITHOUT_OWNERSHIP):
            taken.append(each)
        elif each.field == _REPLICAS and each.subresource == "scale":
            left.append(each)
        else:
            disputed.append(each)
    return Settled(tuple(left), tuple(taken), tuple(disputed))


def without(body: Object, left: Sequence[Conflict]) -> Object:
    """The object without the fields that are left to others: only `.spec.replicas` ever is."""
    if not left:
        return body
    return {**body, "spec": {name: value for name, value in body["spec"].items() if name != "replicas"}}


def words(conflicts: Sequence[Conflict]) -> str:
    """`kubectl-edit owns .data.a and .data.b; helm owns .spec.replicas`."""
    by_manager: dict[str, list[str]] = {}
    for each in conflicts:
        by_manager.setdefault(each.manager, []).append(each.field)
    return "; ".join(f"{manager} owns {_listed(fields)}" for manager, fields in by_manager.items())


def _listed(fields: Sequence[str]) -> str:
    shown = [*fields[:3], f"{len(fields) - 3} more fields"] if len(fields) > 4 else list(fields)
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
