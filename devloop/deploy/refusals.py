"""What the API server refuses, in words for the person who has to mend it.

Comes in: the server's answer and the object. Goes out: a DevloopError with the server's own message, the manifest's place and a next
step. Pure. It never lets a Secret's values out: the server quotes what it does not like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from devloop.errors import DevloopError, StepFailed, Unavailable
from devloop.products import Object, ObjectRef
from devloop.stages import ApiRefusal

# Too many requests, not ready, behind a time-out: not about the object, so it may go well later.
_PASSING = frozenset({429, 503, 504})
_UNCHANGEABLE = re.compile(
    r"immutable|may not (?:be )?chang|can ?not (?:be )?(?:chang|updat|unset)|updates to .+ are forbidden|for fields other than"
)
_NO_NAMESPACE = re.compile(r'namespaces "(?P<name>[^"]+)" not found')
_QUOTED = re.compile(r"Value:[^}]*")


@dataclass(frozen=True)
class Refusal:
    """An object that was not taken. `told`: the server's message, secrets masked."""

    ref: ObjectRef
    source: str
    code: int
    told: str


def refusal(ref: ObjectRef, source: str, sent: Object, exc: ApiRefusal) -> Refusal:
    return Refusal(ref, source, exc.code, masked(exc.message, sent))


def masked(message: str, sent: Object) -> str:
    """The message without any value of the object, if that is a Secret."""
    if sent.get("kind") != "Secret":
        return message
    values = {str(each) for field in ("data", "stringData") for each in _values(sent.get(field))}
    for value in sorted(values, key=len, reverse=True):
        if len(value) > 3:  # shorter ones are parts of words; where the server quotes them, the pattern finds them
            message = message.replace(value, "***")
    return _QUOTED.sub("Value:***", message)


def _values(field: object) -> list[object]:
    return list(field.values()) if isinstance(field, dict) else []


def is_unchangeable(exc: ApiRefusal) -> bool:
    """Whether the server refused because the object exists and this field of it is fixed."""
    return exc.code == 422 and _UNCHANGEABLE.search(exc.message) is not None


def error(refusals: Sequence[Refusal], namespace: str) -> DevloopError:
    """One error for all refusals: the first with its place, the others as evidence."""
    first, *others = refusals
    more = f" (and {len(others)} more)" if others else ""
    kind = Unavailable if all(each.code in _PASSING for each in refusals) else StepFailed
    return kind(
        f"the cluster refused {first.ref}: {first.told}{more}",
        where=first.source or str(first.ref),
        hint=_hint(first, namespace),
        evidence=tuple(f"{each.source}: {each.ref}: {each.told}" for each in others),
    )


def _hint(refused: Refusal, namespace: str) -> str | None:
    missing = _NO_NAMESPACE.search(refused.told)
    if missing:
        return f"kubectl create namespace {missing['name']}"
    place = f" --namespace {refused.ref.namespace}" if refused.ref.namespace else ""
    if refused.code == 422 and _UNCHANGEABLE.search(refused.told):
        loss = ", which loses its data" if refused.ref.kind == "PersistentVolumeClaim" else ""
        orphan = " --cascade=orphan" if refused.ref.kind == "StatefulSet" else ""
        return f"it cannot change like this while it exists; kubectl delete {refused.ref}{place}{orphan}{loss}, then save again"
    if refused.code == 403:
        return f"ask for the right to patch {refused.ref.kind} in namespace {refused.ref.namespace or namespace}"
    if "failed calling webhook" in refused.told:
        return "the webhook's own workload may not be ready; name its unit in `needs`"
    return None
