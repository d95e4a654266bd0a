"""Where images stand in objects: a table of paths by kind, which the configuration extends.

Comes in: an object, and the rows of `imagePaths`. Goes out: places, each with the image that stands there and the rule that found it. A
row for every kind finds containers wherever an object holds them; what other fields mean is only said of kinds that are known. Which
image is whose is for `images` to say. Pure, but for a place that is told to take another image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devloop import fieldpaths
from devloop.config import model
from devloop.fieldpaths import FieldPath, Spot

ANY = "*"
# These hold text or schemas, never containers of their own; a row that names them counts all the same.
_OPAQUE_KINDS = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition"})
_POLICIES = ("imagePullPolicy", "pullPolicy")

_POD = (
    *(f"..{field}[*].image" for field in ("containers", "initContainers", "ephemeralContainers")),
    *(f"..{field}.image" for field in ("container", "script")),
    "..volumes[*].image.reference",
)
_ARGO = ("..sidecars[*].image",)
_TEKTON = ("..steps[*].image", "..sidecars[*].image", "..stepTemplate.image")
_KSERVE = tuple(f".spec.{part}[*].image" for part in ("predictor", "transformer", "explainer"))
# Kind → (group, paths). Whatever holds containers as a pod does, Knative's services for one, needs no row of its own.
_KNOWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("Workflow", "WorkflowTemplate", "CronWorkflow", "ClusterWorkflowTemplate"), ("argoproj.io", _ARGO)
    ),
    **dict.fromkeys(("Task", "ClusterTask", "TaskRun", "Pipeline", "PipelineRun"), ("tekton.dev", _TEKTON)),
    "StepAction": ("tekton.dev", (".spec.image",)),
    "InferenceService": ("serving.kserve.io", _KSERVE),
}


@dataclass(frozen=True)
class Rule:
    """A row of the table. `group`: None for any. `origin`: where it is written."""

    kind: str
    group: str | None
    path: FieldPath
    origin: str

    def covers(self, group: str, kind: str) -> bool:
        """Whether it is about objects of this kind."""
        return self.kind in (ANY, kind) and self.group in (None, group)

    def __str__(self) -> str:
        return f"{self.path}, {self.origin}"


@dataclass(frozen=True)
class Place:
    """Where an image stands. `image`: as one text, also where the object keeps its parts in fields of their own."""

    spot: Spot
    rule: Rule
    image: str

    def put(self, ref: str) -> None:
        """Has the object name `ref` there; the object is changed."""
        parts = self.rule.path.parts
        if not parts:
            self.spot.put(ref)
        else:
            self.spot.value.update(zip(parts, _parted(ref, len(parts)), strict=True))

    def may_pull_less(self) -> bool:
        """Has a pull policy `Always` beside the image be `IfNotPresent`; whether there was one."""
        beside = self.spot.value if self.rule.path.parts else self.spot.holder
        field = next((each for each in _POLICIES if isinstance(beside, dict) and beside.get(each) == "Always"), None)
        if field is not None:
            beside[field] = "IfNotPresent"
        return field is not None

    @property
    def name(self) -> str:
        """The container's name, else the way to the place."""
        named = self.spot.holder.get("name") if isinstance(self.spot.holder, dict) else None
        return named if isinstance(named, str) and named else str(self.spot)


class Table:
    """All rules. `extra`: those of the configuration, whose paths are valid."""

    def __init__(self, extra: Sequence[model.ImagePaths] = ()) -> None:
        rules = [Rule(ANY, None, fieldpaths.parse(path), "for every kind") for path in _POD]
        for kind, (group, paths) in _KNOWN.items():
            rules += [Rule(kind, group, fieldpaths.parse(path), f"for {kind} of {group}") for path in paths]
        for number, row in enumerate(extra):
            origin = f"by imagePaths[{number}]"
            rules += [Rule(row.kind, row.group, fieldpaths.parse(path), origin) for path in row.paths]
        self._rules = tuple(rules)
        self._of: dict[tuple[str, str], dict[FieldPath, Rule]] = {}

    def places(self, obj: Mapping[str, Any]) -> Iterator[Place]:
        """Where the object may name images, each place once."""
        rules = self._covering(str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind", "")))
        seen: set[tuple[int, str | int]] = set()
        for path, spot in fieldpaths.find(rules, obj):
            image = _image(spot.value, path.parts)
            if image and (id(spot.holder), spot.key) not in seen:
                seen.add((id(spot.holder), spot.key))
                yield Place(spot, rules[path], image)

    def _covering(self, group: str, kind: str) -> Mapping[FieldPath, Rule]:
        if (group, kind) not in self._of:
            found = [each for each in self._rules if each.covers(group, kind)]
            if kind in _OPAQUE_KINDS:
                found = [each for each in found if each.kind == kind]
            by_path: dict[FieldPath, Rule] = {}
            for each in found:
                by_path.setdefault(each.path, each)
            self._of[group, kind] = by_path
        return self._of[group, kind]


def _image(value: Any, parts: Sequence[str]) -> str:
    """What stands there as one text; "" when it is no image."""
    if not parts:
        return value if isinstance(value, str) else ""
    if not isinstance(value, dict):
        return ""
    *registry, name, tag = (_text(value.get(part)) for part in parts)
    if not name:
        return ""
    whole = "/".join(each.strip("/") for each in (*registry, name) if each)
    return f"{whole}{'@' if tag.startswith('sha256:') else ':'}{tag}" if tag else whole


def _text(value: Any) -> str:
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if is_text else ""


def _parted(ref: str, count: int) -> tuple[str, ...]:
    """A ref as repository and tag, or registry, repository and tag; a digest stays with the tag."""
    bare, at, digest = ref.partition("@")
    head, slash, last = bare.rpartition("/")
    last, _, tag = last.partition(":")
    name, tag = head + slash + last, tag + at + digest
    if count == 2:
        return name, tag
    host, slash, rest = name.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return host, rest, tag
    return "docker.io", name if slash else f"library/{name}", tag
