"""Edits of rendered objects by expressions of yq.

Comes in: objects, and edits that each select some of them. Goes out: the objects with the edits, in their order, with their sources. An
expression sees one object and nothing else: it can neither read files nor variables, for they could change unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from devloop.config import model
from devloop.config.model import Selector
from devloop.errors import StepFailed, UsageError
from devloop.products import Manifest, Object
from devloop.render import documents, objects
from devloop.scope import Scope
from devloop.stages import Completed, Tools

_COMMAND = ("yq", "eval", "--input-format", "yaml", "--output-format", "json", "--indent", "0")
_CLOSED = ("--security-disable-file-ops", "--security-disable-env-ops")
_INSTALL = "install Mike Farah's yq 4.45 or newer: https://github.com/mikefarah/yq#install"
_MOST_SHOWN = 5


def apply(
    scope: Scope, transforms: Sequence[model.Transform], manifests: Sequence[Manifest], tools: Tools, unit: str
) -> tuple[Manifest, ...]:
    """The objects with all edits. Runs yq once for each. Blocks; cancelled by the scope. Raises: StepFailed; UsageError without yq."""
    if transforms and not tools.processes.find("yq"):
        raise UsageError("yq is not installed, which `transforms` needs", hint=_INSTALL)
    found = list(manifests)
    for number, each in enumerate(transforms):
        where = f"deploy/{unit}: transforms[{number}]"
        chosen = [index for index, manifest in enumerate(found) if _is_meant(manifest.object, each.select)]
        if not chosen:
            raise StepFailed("no object is selected", where=where, hint=f"there are {_names(found)}")
        edited = _edited(scope, each.yq, [found[index].object for index in chosen], tools, where)
        for index, obj in zip(chosen, edited, strict=True):
            found[index] = Manifest(obj, found[index].source)
    return objects.checked(found)


def _is_meant(obj: Object, select: Selector) -> bool:
    metadata = obj["metadata"]
    asked = (
        (select.kind, obj["kind"]),
        (select.name, metadata["name"]),
        (select.namespace, metadata.get("namespace")),
        (select.api_version, obj["apiVersion"]),
    )
    labels = metadata.get("labels") or {}
    return all(wanted in (None, found) for wanted, found in asked) and select.labels.items() <= labels.items()


def _edited(scope: Scope, expression: str, given: list[Object], tools: Tools, where: str) -> list[Object]:
    text = "".join(f"---\n{json.dumps(each, ensure_ascii=False)}\n" for each in given)
    argv = [*_COMMAND, *_CLOSED, "--expression", expression, "-"]
    done = tools.processes.run(scope, argv, stdin=text.encode(), check=False)
    if done.code:
        raise _failure(done, expression, where)
    parsed, wrong = documents.parse(done.stdout, where)
    found, wrong_objects = objects.manifests(parsed, where)
    if wrong or wrong_objects or len(found) != len(given):
        complaint = next((each.message for each in (*wrong, *wrong_objects)), f"{len(given)} became {len(found)}")
        raise StepFailed(
            f"the expression does not leave each object an object: {complaint}",
            where=where,
            hint="it has to give the whole object back: `.spec.replicas = 1`, not `.spec`",
        )
    return [each.object for each in found]


def _failure(done: Completed, expression: str, where: str) -> StepFailed:
    told = next((line for line in reversed(done.tail) if line.strip()), f"exit code {done.code}")
    is_other = any("jq" in line or "unknown flag" in line for line in done.tail)
    return StepFailed(
        f"yq: {told.removeprefix('Error: ')}",
        where=where,
        hint=f"the `yq` that is installed is another program, or old; {_INSTALL}" if is_other else expression,
        evidence=done.tail,
    )


def _names(found: Sequence[Manifest]) -> str:
    names = [f"{each.object['kind']} {each.object['metadata']['name']}" for each in found]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return (", ".join(names[:_MOST_SHOWN]) or "no objects") + more
