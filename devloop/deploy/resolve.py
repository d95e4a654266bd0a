"""Which objects of the cluster the manifests mean.

Comes in: manifests as rendered and filled. Goes out: each with its identity, its namespace settled and its marks on, as it will be
sent; or one StepFailed for all that the cluster does not know. It only asks where kinds live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devloop.deploy import marks
from devloop.errors import StepFailed
from devloop.products import Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import Cluster, Resource


@dataclass(frozen=True)
class Wanted:
    """An object as it has to be. `resource`: where its kind lives, or will once its definition is there."""

    ref: ObjectRef
    body: Object
    source: str
    resource: Resource


def resolve(
    scope: Scope, cluster: Cluster, manifests: Iterable[Manifest], namespace: str, definitions: Iterable[Manifest] = ()
) -> list[Wanted]:
    """The objects that the manifests mean, without marks. `definitions`: manifests of others that may define kinds. Blocks.

    Raises: StepFailed for kinds that neither the cluster knows nor a definition among the manifests, and for one object twice.
    """
    manifests = list(manifests)
    defined = _defined([each.object for each in (*manifests, *definitions)])
    known: dict[tuple[str, str], Resource | None] = {}
    wanted: list[Wanted] = []
    complaints: list[tuple[str, str]] = []
    seen: dict[marks.Key, Wanted] = {}
    for each in manifests:
        kind = (each.object["apiVersion"], each.object["kind"])
        if kind not in known:
            known[kind] = cluster.resource(scope, *kind) or defined.get(kind)
        resource = known[kind]
        if resource is None:
            complaints.append((each.source, f'no matches for kind "{kind[1]}" in version "{kind[0]}"'))
            continue
        body = marks.prepared(each.object, resource, namespace)
        one = Wanted(marks.ref_of(body), body, each.source, resource)
        first = seen.setdefault(marks.key(one.ref), one)
        if first is one:
            wanted.append(one)
        else:
            complaints.append((each.source, f"{one.ref} is there twice: in {first.source} and in {each.source}"))
    if complaints:
        where, message = complaints[0]
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        is_unknown = message.startswith("no matches")
        raise StepFailed(
            message + more,
            where=where,
            hint="is its CustomResourceDefinition in the set? if another unit brings it, name that in `needs`"
            if is_unknown
            else None,
            evidence=tuple(f"{place}: {text}" for place, text in complaints[1:]),
        )
    return wanted


def _defined(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Resource]:
    """The kinds that CustomResourceDefinitions among the objects bring."""
    found: dict[tuple[str, str], Resource] = {}
    for each in objects:
        spec = each.get("spec")
        if each["kind"] != "CustomResourceDefinition" or not isinstance(spec, dict):
            continue
        names = spec.get("names") or {}
        for version in spec.get("versions") or ():
            api_version = f"{spec.get('group')}/{version.get('name')}"
            kind = str(names.get("kind"))
            is_namespaced = spec.get("scope") == "Namespaced"
            found[(api_version, kind)] = Resource(api_version, kind, str(names.get("plural")), is_namespaced)
    return found
