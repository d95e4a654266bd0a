"""What a project owns in the cluster, kept in the cluster: an ApplySet (KEP-3659), so any machine can tell, prune and delete it.

Comes in: a project's name and namespace. Goes out: its members. The parent is a ConfigMap that names the kinds and namespaces to look
in; membership is a label on each object. The parent grows before a new kind is written, so that nothing is ever owned unseen, and
never shrinks until all is deleted: a kind too many costs a request, one too few an orphan.
Format: https://git.k8s.io/enhancements/keps/sig-cli/3659-kubectl-apply-prune
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from devloop.deploy import marks, parallel
from devloop.errors import StepFailed
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Resource

ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
VERSIONS = "devloop.dev/contains-kinds"  # with versions, which a request needs and the convention leaves out
TOOL = "devloop/v1"
_ATTEMPTS = 20
# No live object has it. Server-side apply compares versions only with what exists, so with this one it creates or is refused (409),
# and of two that create the parent at once the later one cannot wipe out what the earlier one wrote.
_NEVER = "1"

_DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

Kind = tuple[str, str]  # apiVersion, kind


@dataclass(frozen=True)
class Contents:
    """What the parent says. `version`: its resourceVersion, "" when there is no parent yet."""

    kinds: frozenset[Kind] = frozenset()
    namespaces: frozenset[str] = frozenset()
    version: str = ""

    def holds(self, other: Contents) -> bool:
        return other.kinds <= self.kinds and other.namespaces <= self.namespaces

    def joined(self, other: Contents) -> Contents:
        return Contents(self.kinds | other.kinds, self.namespaces | other.namespaces, self.version)


@dataclass(frozen=True)
class Inventory:
    """The inventory of a project in the namespace that it is deployed to. Holds no state of its own."""

    project: str
    namespace: str

    @property
    def name(self) -> str:
        """The parent's name; made of the project's as far as a name may hold it."""
        plain = re.sub(r"[^a-z0-9.-]+", "-", self.project.lower()).strip("-.")
        if plain != self.project or len(plain) > 200:
            plain = f"{plain[:200]}-{hashlib.sha256(self.project.encode()).hexdigest()[:8]}".strip("-")
        return f"devloop-{plain}"

    @property
    def parent(self) -> ObjectRef:
        return ObjectRef("v1", "ConfigMap", self.namespace, self.name)

    @property
    def applyset(self) -> str:
        """The value of the members' label: `applyset-base64url(sha256(NAME.NAMESPACE.KIND.GROUP))-v1`."""
        identity = f"{self.name}.{self.namespace}.ConfigMap."
        return (
            f"applyset-{base64.urlsafe_b64encode(hashlib.sha256(identity.encode()).digest()).decode().rstrip('=')}-v1"
        )

    @property
    def owner(self) -> str:
        """How the inventory is called on its members."""
        return f"{self.namespace}/{self.project}"

    def read(self, scope: Scope, cluster: Cluster) -> Contents:
        """What the parent says now. Blocks. Raises: StepFailed when something else has the parent's name."""
        live = cluster.get(scope, self.parent)
        if live is None:
            return Contents()
        if marks.label(live, ID) != self.applyset or not _is_ours(live):
            raise StepFailed(
                f"{self.parent} is not devloop's, so the inventory cannot be kept in it",
                where=f"{self.parent} in namespace {self.namespace}",
                hint="rename it, or set another metadata.name",
            )
        kinds = frozenset(
            (version, kind)
            for version, _, kind in (each.partition(" ") for each in marks.annotation(live, VERSIONS).split(","))
            if kind
        )
        spaces = frozenset(each for each in marks.annotation(live, NAMESPACES).split(",") if each)
        return Contents(kinds, spaces | {self.namespace}, live["metadata"].get("resourceVersion", ""))

    def grow(self, scope: Scope, cluster: Cluster, known: Contents, needed: Contents) -> Contents:
        """Makes the parent hold `needed` too and returns what it holds then; writes nothing when it does already. Blocks.

        Others may do the same at the same time: a write on top of an older state is refused by the server and done again.
        """
        for _ in range(_ATTEMPTS):
            if known.version and known.holds(needed):
                return known
            try:
                live = cluster.apply(scope, self._body(known.joined(needed)))
            except ApiRefusal as exc:
                if exc.code != 409:
                    raise
                known = self.read(scope, cluster)
                continue
            joined = known.joined(needed)
            return Contents(joined.kinds, joined.namespaces, live["metadata"].get("resourceVersion", ""))
        raise StepFailed(f"the inventory {self.parent} is changed by somebody else all the time", hint="try again")

    def members(self, scope: Scope, cluster: Cluster, contents: Contents) -> list[Object]:
        """All objects that carry the label, wherever the contents say to look. Blocks."""
        places: dict[tuple[str, str, str], None] = {}
        for version, kind in sorted(contents.kinds):
            resource = cluster.resource(scope, version, kind) or _served_otherwise(scope, cluster, version, kind)
            if resource is not None:
                spaces = sorted(contents.namespaces) if resource.is_namespaced else [""]
                places |= dict.fromkeys((resource.api_version, kind, space) for space in spaces)

        def look(scope: Scope, place: tuple[str, str, str]) -> list[Object]:
            version, kind, space = place
            return cluster.list(scope, version, kind, namespace=space, labels=f"{marks.PART_OF}={self.applyset}")

        found: dict[marks.Key, Object] = {}
        for objects in parallel.each(scope, "list", tuple(places), look):
            for live in objects:
                if not marks.is_controlled(live):
                    found.setdefault(marks.key(marks.ref_of(live)), live)
        return list(found.values())

    def _body(self, contents: Contents) -> Object:
        annotations = {TOOLING: TOOL, KINDS: _group_kinds(contents.kinds), VERSIONS: _versions(contents.kinds)}
        if others := contents.namespaces - {self.namespace}:
            annotations[NAMESPACES] = ",".join(sorted(others))
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {ID: self.applyset},
            "annotations": annotations,
            "resourceVersion": contents.version or _NEVER,
        }
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@dataclass(frozen=True)
class Parent(Inventory):
    """An inventory that was found in the cluster: `project` is its parent's name, for that is all that is left of the project's."""

    @property
    def name(self) -> str:
        """The parent's name."""
        return self.project


def parents(scope: Scope, cluster: Cluster) -> list[Parent]:
    """The inventories of all projects, in all namespaces. Blocks. Raises: ApiRefusal."""
    found = cluster.list(scope, "v1", "ConfigMap", labels=ID)
    known = [Parent(each["metadata"]["name"], each["metadata"]["namespace"]) for each in found if _is_ours(each)]
    named = {marks.label(each, ID) for each in found}
    return sorted((each for each in known if each.applyset in named), key=lambda each: (each.namespace, each.name))


def _served_otherwise(scope: Scope, cluster: Cluster, version: str, kind: str) -> Resource | None:
    """The kind in a version that its definition still serves; None when it has no definition any more, and so no objects."""
    group = _group_kind((version, kind))[0]
    try:
        definitions = cluster.list(scope, *_DEFINITION) if group else []
    except ApiRefusal as exc:
        if exc.code != 403:
            raise
        return None  # who may not see definitions cannot be told more than that the kind is unknown
    for definition in definitions:
        spec = definition["spec"]
        if (spec["group"], spec["names"]["kind"]) == (group, kind):
            served = (f"{group}/{each['name']}" for each in spec["versions"] if each["served"])
            found = (cluster.resource(scope, each, kind) for each in served)
            return next((each for each in found if each is not None), None)
    return None


def _is_ours(parent: Object) -> bool:
    return marks.annotation(parent, TOOLING).startswith("devloop/")


def _group_kinds(kinds: Iterable[Kind]) -> str:
    return ",".join(sorted({f"{kind}.{group}" if group else kind for group, kind in map(_group_kind, kinds)}))


def _versions(kinds: Iterable[Kind]) -> str:
    return ",".join(sorted(f"{version} {kind}" for version, kind in kinds))


def _group_kind(kind: Kind) -> tuple[str, str]:
    return kind[0].rpartition("/")[0], kind[1]
