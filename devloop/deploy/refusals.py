"""What the API server refuses, in words for the person who has to mend it.

Comes in: the server's answer and the object. Goes out: a DevloopError with the server's own message, the manifest's place and a next
step. Pure. It never lets a Secret's values out: the server quotes what it does not like.
"""

from __future__ import annotations

import base64
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


# The verdict of a policy or webhook, in words of its author's, which say nothing about what the API allows.
_VERDICT = re.compile(r"denied (?:the )?request")
_NO_RIGHT = re.compile(r"cannot \w+ resource")
FORCE_HINT = "leave these fields out of the manifest, or start again with --force-conflicts to take them over"


@dataclass(frozen=True)
class Refusal:
    """An object that was not taken. `told`: the server's message, secrets masked. `hint`: the next step, where the sender knows it."""

    ref: ObjectRef
    source: str
    code: int
    told: str
    hint: str = ""


def refusal(ref: ObjectRef, source: str, sent: Object, exc: ApiRefusal) -> Refusal:
    return Refusal(ref, source, exc.code, masked(exc.message, sent))


def masked(message: str, sent: Object) -> str:
    """The message without any value of the object, if that is a Secret."""
    if sent.get("kind") != "Secret":
        return message
    values = {str(each) for field in ("data", "stringData") for each in _values(sent.get(field))}
    values |= {text for each in _values(sent.get("data")) if (text := _decoded(each))}
    for value in sorted(values, key=len, reverse=True):
        if len(value) > 3:  # shorter ones are parts of words; where the server quotes them, the pattern finds them
            message = message.replace(value, "***")
    return _QUOTED.sub("Value:***", message)


def _values(field: object) -> list[object]:
    return list(field.values()) if isinstance(field, dict) else []


def _decoded(value: object) -> str:
    """What a policy sees that decodes it; "" where there is no text in it."""
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return ""


def is_unchangeable(exc: ApiRefusal) -> bool:
    """Whether the server refused because the object exists and this field of it is fixed."""
    return exc.code == 422 and _UNCHANGEABLE.search(exc.message) is not None and not _VERDICT.search(exc.message)


def recreate_hint(ref: ObjectRef, why: str, losses: str) -> str:
    """How to have an object deleted and made again. `why`: why that needs asking. `losses`: what goes with it, if that is known."""
    return f"{why}: start again with --recreate {ref} to have it deleted and made anew{f'; {losses}' if losses else ''}"


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
    if refused.hint:
        return refused.hint
    missing = _NO_NAMESPACE.search(refused.told)
    if missing:
        return f"kubectl create namespace {missing['name']}"
    space = refused.ref.namespace or namespace
    if "exceeded quota" in refused.told:
        return f"kubectl describe resourcequota --namespace {space} says what is used and by what limit"
    if refused.code == 403 and _NO_RIGHT.search(refused.told):
        return f"ask for the right to patch {refused.ref.kind} in namespace {space}"
    if "failed calling webhook" in refused.told:
        return "the webhook's own workload may not be ready; name its unit in `needs`"
    return None
