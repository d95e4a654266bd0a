"""Skaffold's `manifests` and `deploy` as devloop's units.

Comes in: the fields of both, as any version from v2beta29 on has them. Goes out: a list of units, all with names that do not depend on
their position. Charts are in `charts`. Pure, but for the notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from devloop.config.importing import charts, hooks
from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, filled, listed, mapping, text
from devloop.config.names import to_label
from devloop.config.tree import List, Map, Node, Place, Scalar

_WHERE_SKAFFOLD_LOOKS = "k8s/*.yaml"
_ELSEWHERE = "devloop deploys to the cluster that kubectl would, and only there"
_SAID_NOTHING = frozenset({".", "..", "base", "overlays", ""})


def convert(around: Around, place: Place, manifests: Fields | None, deploy: Fields | None) -> List | None:
    """The units. `place`: where what Skaffold takes by itself counts as written."""
    plain = [*_plain(around, manifests, deploy)]
    charted = [*_charts(around, manifests), *_charts(around, deploy)]
    if not plain and not charted and around.has_manifests and not _is_told(manifests, deploy):
        plain = [_unit(around, place, [text(place, around.rebased(_WHERE_SKAFFOLD_LOOKS))])]
    plain = _hooked(around, plain, manifests, deploy)
    units = [_deadline(each, deploy) for each in [*plain, *charted]]
    return listed(place, unique(units))


def settings(deploy: Fields | None) -> tuple[Map | None, Map | None]:
    """The parts `cluster` and `logs`, and notes of all else that `deploy` says. Asked last."""
    if deploy is None:
        return None, None
    kubectl, logs = deploy.record("kubectl"), deploy.record("logs")
    cluster = mapping(
        deploy.place,
        ("context", deploy.take("kubeContext")),
        ("namespace", kubectl.take("defaultNamespace") if kubectl else None),
    )
    shown = mapping(logs.place, ("prefix", logs.take("prefix"))) if logs else None
    if logs:
        logs.leave("lines are shown as they are", "jsonParse")
        logs.done()
    deploy.leave(_ELSEWHERE, "docker", "cloudrun", "kpt", matters=True)
    deploy.leave("`dev` waits through failures always, and `run` until the deadline", "tolerateFailuresUntilDeadline")
    if deploy.text("statusCheck") == "false":
        deploy.leave("devloop waits always until what it deployed is ready", "statusCheck")
    deploy.take("statusCheckDeadlineSeconds")  # every unit has it
    deploy.done()
    return filled(cluster), filled(shown) if shown else None


def _plain(around: Around, manifests: Fields | None, deploy: Fields | None) -> Iterator[Map]:
    """Units from files, URLs and kustomizations."""
    kubectl = deploy.record("kubectl") if deploy else None
    files: list[Node] = []
    place = None
    for fields, key in (
        (manifests, "rawYaml"),
        (kubectl, "manifests"),
        (manifests, "remoteManifests"),
        (kubectl, "remoteManifests"),
    ):
        if fields is not None:
            found = [around.path(each) for each in _filled(around, fields, key)]
            if key == "remoteManifests":
                fields.leave(
                    "a URL ends in `#sha256=` and the digest of what is there; devloop tells it", key, matters=True
                )
            place = place or (fields.place if found else None)
            files += filter(None, found)
    if files and place:
        yield _unit(around, place, files)
    for fields in (manifests, deploy):
        kustomize = fields.record("kustomize") if fields else None
        if kustomize is not None:
            yield from _kustomizations(around, kustomize)
    if manifests is not None:
        manifests.leave("kpt is not called", "kpt", "transform", "validate", matters=True)
        manifests.leave("`devloop render --output-dir` writes what is rendered", "output")


def _filled(around: Around, fields: Fields, key: str) -> Iterator[Node]:
    for node, path in fields.items(key):
        # A remote one is `manifest: URL`, with a `context` perhaps.
        named = Fields(node, path, around.notes).take("manifest") if isinstance(node, Map) else node
        made = around.fill(named, path)
        if made is not None:
            yield made


def _unit(around: Around, place: Place, files: Sequence[Node]) -> Map:
    name = to_label(around.name) or "manifests"
    return mapping(place, ("name", text(place, name)), ("manifests", List(files[0].place, tuple(files))))


def _kustomizations(around: Around, kustomize: Fields) -> Iterator[Map]:
    kustomize.leave("`kustomize build` gets no more words", "buildArgs", matters=True)
    paths = list(kustomize.items("paths")) or [(text(kustomize.place, "."), kustomize.at("paths"))]
    for node, path in paths:
        made = around.path(around.fill(node, path))
        if isinstance(made, Scalar):
            name = to_label(_last(made.text)) or to_label(around.name) or "kustomize"
            yield mapping(
                node.place, ("name", text(node.place, name)), ("kustomize", mapping(node.place, ("path", made)))
            )
    if kustomize.path.startswith("manifests"):
        kustomize.done()


def _last(path: str) -> str:
    return next((each for each in reversed(path.rstrip("/").split("/")) if each not in _SAID_NOTHING), "")


def _charts(around: Around, fields: Fields | None) -> Iterator[Map]:
    helm = fields.record("helm") if fields else None
    if helm is None:
        return
    helm.leave("helm gets no more words; a unit has `helm.args`", "flags", matters=True)
    helm.leave("units are deployed side by side", "concurrency")
    around_units = dict(hooks.of_units(around, helm, "Deploy"))
    for index, release in enumerate(helm.records("releases")):
        made = charts.convert(around, release)
        if made is not None:
            yield _with_hooks(made, helm.place, around_units if index == 0 else {})
    helm.done()


def _hooked(around: Around, units: Sequence[Map], manifests: Fields | None, deploy: Fields | None) -> list[Map]:
    """Hooks of all manifests, around the first unit that has them."""
    found: dict[str, Node] = {}
    kubectl = deploy.record("kubectl") if deploy else None
    kustomize = deploy.record("kustomize") if deploy else None
    for fields, when in ((manifests, "Render"), (kubectl, "Deploy"), (kustomize, "Deploy")):
        if fields is not None:
            found |= dict(hooks.of_units(around, fields, when))
    if manifests is not None:
        manifests.done()
    for fields in (kubectl, kustomize):
        if fields is not None:
            fields.leave("no program is called to apply objects", "flags")
            for key in ("manifests", "remoteManifests", "defaultNamespace", "paths", "buildArgs"):
                fields.take(key)  # read elsewhere
            fields.done()
    if found and not units:
        place = next(iter(found.values())).place
        around.notes.add(place, "hooks", "there is no unit that they could be around", matters=True)
    return [_with_hooks(each, each.place, found if index == 0 else {}) for index, each in enumerate(units)]


def _with_hooks(unit: Map, place: Place, found: dict[str, Node]) -> Map:
    if not found:
        return unit
    return Map(unit.place, (*unit.entries, (Scalar(place, "hooks"), mapping(place, *found.items()))))


def _deadline(unit: Map, deploy: Fields | None) -> Map:
    deadline = deploy.take("statusCheckDeadlineSeconds") if deploy else None
    if deadline is None or "readyDeadlineSeconds" in unit.values:
        return unit
    return Map(unit.place, (*unit.entries, (Scalar(deadline.place, "readyDeadlineSeconds"), deadline)))


def _is_told(manifests: Fields | None, deploy: Fields | None) -> bool:
    """Whether the file says what is deployed, in a way that is carried or not."""
    keys = ("rawYaml", "remoteManifests", "kustomize", "helm", "kpt")
    ours = manifests is not None and any(manifests.take(each) is not None for each in keys)
    others = ("helm", "docker", "kustomize", "kpt", "cloudrun")
    return ours or (deploy is not None and any(deploy.take(each) is not None for each in others))


def unique(units: Sequence[Map]) -> list[Map]:
    """The units; of those with one name, the later ones with a number behind it."""
    seen: dict[str, int] = {}
    made = []
    for each in units:
        name = each.values["name"]
        assert isinstance(name, Scalar)
        count = seen[name.text] = seen.get(name.text, 0) + 1
        made.append(renamed(each, f"{name.text}-{count}") if count > 1 else each)
    return made


def renamed(unit: Map, name: str) -> Map:
    """The unit under another name."""
    entries = ((key, text(value.place, name) if key.text == "name" else value) for key, value in unit.entries)
    return Map(unit.place, tuple(entries))
