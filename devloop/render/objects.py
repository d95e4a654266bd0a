"""Kubernetes objects out of documents: lists taken apart, each checked for what names it.

Comes in: parsed documents. Goes out: manifests in their order, or one StepFailed that tells every problem. Pure. It knows no schema:
whether a field is right is for the API server to say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devloop.errors import Problem, StepFailed
from devloop.products import Identity, Manifest
from devloop.render.documents import Document


def manifests(
    documents: Iterable[Document], file: str, source: Callable[[Document], str] | None = None
) -> tuple[list[Manifest], list[Problem]]:
    """The objects of a file's documents, and all that is wrong with them. `source`: `file:line` unless told otherwise."""
    found: list[Manifest] = []
    problems: list[Problem] = []
    for document in documents:
        origin = source(document) if source else f"{file}:{document.line}"
        for value in _flat(document.value):
            wrong = [Problem(file, document.line, 1, what, hint) for what, hint in _complaints(value)]
            problems += wrong
            if not wrong:
                found.append(Manifest(value, origin))
    return found, problems


def checked(found: Iterable[Manifest], problems: Iterable[Problem] = ()) -> tuple[Manifest, ...]:
    """The manifests, if all is well. Raises: StepFailed with every problem, an object that is there twice among them."""
    manifests = tuple(found)
    complaints = [_Complaint(each.where, each.message, each.hint) for each in problems]
    seen: dict[Identity, Manifest] = {}
    for each in manifests:
        first = seen.setdefault(identity(each.object), each)
        if first is not each:
            name = f"{each.object['kind'].lower()}/{each.object['metadata']['name']}"
            complaints.append(_Complaint(each.source, f"{name} is there twice: in {first.source} and in {each.source}"))
    if complaints:
        head, *others = complaints
        more = f" (and {len(others)} more)" if others else ""
        raise StepFailed(head.message + more, hint=head.hint, where=head.where, evidence=tuple(map(str, others)))
    return manifests


def identity(obj: Mapping[str, Any], namespace: str = "") -> Identity:
    """What makes two manifests the same object: everything in its name but the version. `namespace`: for one that names none."""
    group = obj["apiVersion"].rpartition("/")[0]
    return group, obj["kind"], obj["metadata"].get("namespace") or namespace, obj["metadata"]["name"]


def rendered_digest(found: Iterable[Manifest]) -> str:
    """64 hex digits, equal when the same objects were rendered; neither their order nor where they came from counts."""
    texts = sorted(json.dumps(each.object, sort_keys=True, separators=(",", ":")) for each in found)
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Complaint:
    where: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f"; {self.hint}" if self.hint else "")


def _flat(value: Any) -> Iterator[Any]:
    """The items of a `kind: List` (or of what `kubectl get -o yaml` calls `PodList`), else the value itself."""
    is_list = isinstance(value, dict) and isinstance(value.get("items"), list) and not _name(value)
    if is_list and str(value.get("kind", "")).endswith("List"):
        for item in value["items"]:
            if item is not None:
                yield from _flat(item)
    else:
        yield value


def _complaints(value: Any) -> Iterator[tuple[str, str | None]]:
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a single value"
        yield f"not a Kubernetes object: {found} where a mapping was expected", None
        return
    name = _name(value)
    kind = value.get("kind")
    whose = f"{kind.lower()}/{name}: " if isinstance(kind, str) and name else ""
    for field in ("apiVersion", "kind"):
        if not isinstance(value.get(field), str) or not value[field]:
            yield f"{whose}not a Kubernetes object: `{field}` is missing or no text", None
    if str(value.get("apiVersion", "")).startswith("kustomize.config.k8s.io/"):
        yield "a kustomization among manifests", "deploy its folder with `kustomize: {path: FOLDER}`"
        return
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        yield f"{whose}not a Kubernetes object: `metadata` is missing or no mapping", None
    elif "generateName" in metadata and "name" not in metadata:
        yield "`metadata.generateName` makes a new object at each apply", "give it a `metadata.name`"
    elif not isinstance(metadata.get("name"), str) or not metadata["name"]:
        yield f"{whose}`metadata.name` is missing or no text", "quote it" if metadata.get("name") else None
    elif not isinstance(metadata.get("namespace", ""), str | None):
        yield f"{whose}`metadata.namespace` is no text", "quote it"
    else:
        for field in ("labels", "annotations"):
            if not isinstance(metadata.get(field), dict | None):
                yield f"{whose}`metadata.{field}` is no mapping", None


def _name(value: dict[str, Any]) -> str:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""
