"""A changed ConfigMap or Secret rolls the workloads that use it, and no others.

Comes in: the manifests of a unit with their images. Goes out: the same, where each pod template that takes something from a ConfigMap or
Secret of the unit says in an annotation what that holds: equal content, equal template. Of one whose pods name single keys only these
count. What the unit does not render is not looked for. Pure; what came in is never changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from devloop.products import Manifest, Object
from devloop.render import workloads
from devloop.render.workloads import items, mapping

ANNOTATION = "devloop.dev/config"  # configmap/NAME=DIGEST,secret/NAME=DIGEST

_Source = tuple[str, str]  # kind and name
_Home = tuple[str, str, str]  # kind, namespace and name
_Held = tuple[Manifest, str]


def marked(
    manifests: Iterable[Manifest], held: Sequence[_Held], namespace: str
) -> tuple[tuple[Manifest, ...], tuple[_Held, ...]]:
    """The manifests with their annotations, and those that wait for an image: a workload waits with what it takes its settings from.

    `namespace`: for objects that name none.
    """
    found = tuple(manifests)
    contents = {home: _content(each.object) for each in found if (home := _home(each.object, namespace))}
    waiting = {home: why for each, why in held if (home := _home(each.object, namespace))}
    ready: list[Manifest] = []
    late: list[_Held] = list(held)
    for each in found:
        pods = workloads.template(each.object)
        sources = _sources(pods["spec"]) if pods is not None else {}
        space = each.object["metadata"].get("namespace") or namespace
        homes: dict[_Source, _Home] = {source: (source[0], space, source[1]) for source in sources}
        why = next((waiting[home] for home in homes.values() if home in waiting), None)
        if why is not None:
            late.append((each, why))
            continue
        told = [
            f"{kind.lower()}/{name}={_digest(contents[home], sources[kind, name])}"
            for (kind, name), home in sorted(homes.items())
            if home in contents
        ]
        ready.append(_annotated(each, ",".join(told)) if told else each)
    return tuple(ready), tuple(late)


def mark(obj: Mapping[str, Any]) -> str:
    """What the pod template's annotation says, of an object as rendered or as it lives; "" for none."""
    annotations = mapping(mapping(mapping(mapping(obj, "spec"), "template"), "metadata"), "annotations")
    return str(annotations.get(ANNOTATION, ""))


def changed(before: str, after: str) -> tuple[str, ...]:
    """What two annotations say differently of: `configmap/NAME`, `secret/NAME`."""
    differing = set(before.split(",")) ^ set(after.split(","))
    return tuple(sorted({each.partition("=")[0] for each in differing if each}))


def _home(obj: Object, namespace: str) -> _Home | None:
    if obj["apiVersion"] != "v1" or obj["kind"] not in ("ConfigMap", "Secret"):
        return None
    return obj["kind"], obj["metadata"].get("namespace") or namespace, obj["metadata"]["name"]


def _content(obj: Object) -> dict[str, Any]:
    """Key → what it holds. A Secret's text counts as what the API server makes of it."""
    data = dict(mapping(obj, "data"))
    if obj["kind"] == "Secret":
        text = mapping(obj, "stringData")
        return data | {key: base64.b64encode(str(each).encode()).decode() for key, each in text.items()}
    return data | {key: ["binary", each] for key, each in mapping(obj, "binaryData").items()}


def _digest(content: Mapping[str, Any], keys: frozenset[str] | None) -> str:
    counted = {key: each for key, each in content.items() if keys is None or key in keys}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _sources(pod: Mapping[str, Any]) -> dict[_Source, frozenset[str] | None]:
    """What the pods take settings from → the keys that they name; None for all of them."""
    found: dict[_Source, frozenset[str] | None] = {}
    for source, keys in (*_in_volumes(pod), *_in_variables(pod)):
        known = found.get(source, frozenset())
        found[source] = None if keys is None or known is None else known | keys
    return found


def _in_volumes(pod: Mapping[str, Any]) -> Iterator[tuple[_Source, frozenset[str] | None]]:
    for volume in items(pod, "volumes"):
        yield from _named("ConfigMap", mapping(volume, "configMap"), "name")
        yield from _named("Secret", mapping(volume, "secret"), "secretName")
        for part in items(mapping(volume, "projected"), "sources"):
            yield from _named("ConfigMap", mapping(part, "configMap"), "name")
            yield from _named("Secret", mapping(part, "secret"), "name")


def _in_variables(pod: Mapping[str, Any]) -> Iterator[tuple[_Source, frozenset[str] | None]]:
    for container in workloads.containers(pod):
        for each in items(container, "envFrom"):
            yield from _named("ConfigMap", mapping(each, "configMapRef"), "name")
            yield from _named("Secret", mapping(each, "secretRef"), "name")
        for each in items(container, "env"):
            given = mapping(each, "valueFrom")
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                ref = mapping(given, field)
                if ref.get("name") and ref.get("key"):
                    yield (kind, str(ref["name"])), frozenset({str(ref["key"])})


def _named(kind: str, ref: Mapping[str, Any], field: str) -> Iterator[tuple[_Source, frozenset[str] | None]]:
    if ref.get(field):
        keys = frozenset(str(each.get("key")) for each in items(ref, "items"))
        yield (kind, str(ref[field])), keys or None


def _annotated(manifest: Manifest, text: str) -> Manifest:
    spec = manifest.object["spec"]
    pods = spec["template"]
    metadata = mapping(pods, "metadata")
    annotations = {**mapping(metadata, "annotations"), ANNOTATION: text}
    changed = {**pods, "metadata": {**metadata, "annotations": annotations}}
    return Manifest({**manifest.object, "spec": {**spec, "template": changed}}, manifest.source)
