"""Frozen data that flows between stages: what a step takes and what it leaves behind.

No I/O, no behaviour beyond small derived values. Kubernetes objects are plain JSON-like dicts (`Object`): the client
library's model classes are slow and reject fields that are newer than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = dict[str, Any]
Identity = tuple[str, str, str, str]  # group, kind, namespace, name


@dataclass(frozen=True)
class Inputs:
    """What decides whether a target's work is needed.

    `base`: paths enter the digest relative to it. `files`: absolute paths that exist and count, sorted.
    `definitions`: files (existing or not) whose change alters the listing itself (Dockerfile, .dockerignore,
    kustomization.yaml, Chart.yaml); after such a change the inputs are listed afresh. `roots`: folders or single files to
    watch. `matches`: whether a path that appears, changes or goes counts as an input (existence is not looked at; called
    often, so cheap and pure). `values`: everything that decides besides files: options, arguments, tool versions.
    `is_definition`: the same as `definitions` for paths that cannot be named beforehand; as cheap, but it may look at the path itself.
    `skips`: whether nothing in a folder, nor below it, can count, so that it is neither listed nor watched; as cheap and pure too.
    `why`: which rule lets a file's path count, or keeps it out, in words for people; may look at the disk.
    `images`: names of images of the engine that the work stands on, which decide by what they stand for.
    `is_for_engine`: whether the engine's own platform decides, for nothing else says which one is meant.
    """

    base: Path
    files: tuple[Path, ...]
    roots: tuple[Path, ...]
    matches: Callable[[Path], bool] = field(compare=False, repr=False)
    definitions: frozenset[Path] = frozenset()
    values: tuple[tuple[str, str], ...] = ()
    is_definition: Callable[[Path], bool] | None = field(default=None, compare=False, repr=False)
    skips: Callable[[Path], bool] | None = field(default=None, compare=False, repr=False)
    why: Callable[[Path], str] = field(default=lambda _path: "", compare=False, repr=False)
    images: tuple[str, ...] = ()
    is_for_engine: bool = False

    def is_defined_by(self, path: Path) -> bool:
        """Whether a change of `path`, which may be a folder above, asks for listing the inputs afresh."""
        if any(path == each or path in each.parents for each in self.definitions):
            return True
        return self.is_definition is not None and self.is_definition(path)

    def joined(self, other: Inputs) -> Inputs:
        """All that either of them reads; paths enter the digest relative to this one's base."""

        def is_definition(path: Path) -> bool:
            return any(each.is_definition is not None and each.is_definition(path) for each in (self, other))

        return Inputs(
            base=self.base,
            files=tuple(sorted({*self.files, *other.files})),
            roots=tuple(sorted({*self.roots, *other.roots})),
            matches=lambda path: self.matches(path) or other.matches(path),
            definitions=self.definitions | other.definitions,
            values=(*self.values, *other.values),
            is_definition=is_definition if self.is_definition or other.is_definition else None,
            skips=lambda folder: self._is_nothing_in(folder) and other._is_nothing_in(folder),
            why=lambda path: (self if self.matches(path) or not other.matches(path) else other).why(path),
            images=tuple(dict.fromkeys((*self.images, *other.images))),
        )

    def _is_nothing_in(self, folder: Path) -> bool:
        """Whether the folder is left out, or lies apart from all that is read."""
        if self.leaves_out(folder):
            return True
        return not any(folder == root or folder in root.parents or root in folder.parents for root in self.roots)

    def leaves_out(self, folder: Path) -> bool:
        """Whether whatever happens in the folder, or below it, is nothing to this target."""
        return (
            self.skips is not None
            and self.skips(folder)
            and not any(folder in each.parents for each in self.definitions)
        )


@dataclass(frozen=True)
class Image:
    """An image in the engine. `artifact`: its name in the config. `ref`: `name:tag`, unique to its inputs. `image_id`: "" when it is
    not in the engine, but where the cluster takes it from. `tags`: other refs that it has for people. `pushed`: `name@digest` of what
    the build left in a registry, where it has none of its names yet.
    """

    artifact: str
    ref: str
    image_id: str
    tags: tuple[str, ...] = ()
    pushed: str = ""


@dataclass(frozen=True)
class Placed:
    """An image that the cluster can run as `ref`. `way`: how it got there, in words for the step's line."""

    artifact: str
    ref: str
    image_id: str
    way: str = ""
    sent_bytes: int = 0


@dataclass(frozen=True)
class Passed:
    """An image that passed its tests. `image_id`: which one that was."""

    artifact: str
    image_id: str


@dataclass(frozen=True, order=True)
class ObjectRef:
    """The identity of a Kubernetes object; `namespace` is "" for cluster-scoped ones."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Access:
    """Something to be done with objects of a kind: `verb` and `resource` (a plural) as RBAC spells them. `namespace`: "" for what has
    none, or for all of them.
    """

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Manifest:
    """One rendered object and where it came from (`k8s/api.yaml:12`, `helm chart ./chart`, …)."""

    object: Object
    source: str


@dataclass(frozen=True)
class Rendered:
    """What a unit deploys before images are filled in. `images`: names of artifacts that its manifests use. `objects`: the identity
    of each object → where it is written.
    """

    unit: str
    manifests: tuple[Manifest, ...]
    images: frozenset[str]
    digest: str
    objects: Mapping[Identity, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AppliedObject:
    """An object as the API server holds it after the apply. `is_changed`: whether this apply wrote it."""

    ref: ObjectRef
    live: Object
    source: str
    is_changed: bool


@dataclass(frozen=True)
class Applied:
    """A unit in the cluster. `images`: artifact name → ref that was written. `held`: why objects were left out, if any. `postponed`: what
    it no longer renders, and was not deleted because another unit may render it now.
    """

    unit: str
    namespace: str
    objects: tuple[AppliedObject, ...]
    images: tuple[tuple[str, str], ...] = ()
    pruned: tuple[ObjectRef, ...] = ()
    held: tuple[tuple[ObjectRef, str], ...] = ()
    postponed: tuple[ObjectRef, ...] = ()


@dataclass(frozen=True)
class Met:
    """What a unit needs of the cluster is there."""

    unit: str


@dataclass(frozen=True)
class Ready:
    """A unit whose objects all do their work. `summary`: what was waited for, in words ("2 pods ready")."""

    unit: str
    summary: str = ""


Product = Image | Passed | Placed | Rendered | Met | Applied | Ready


@dataclass(frozen=True)
class Outcome:
    """What a step returns. `skipped`: why nothing had to be done (empty when work was done). `note`: a detail worth a line."""

    product: Product
    skipped: str = ""
    note: str = ""
