"""Helm releases of Skaffold as devloop's units.

Comes in: the fields of a release, and the names of all images, which its templates may name. Goes out: a unit that has a chart.
What templates say of images becomes `helm.images`. Pure, but for the notes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devloop.config.importing.around import Around
from devloop.config.importing.build import suffix
from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.importing.templates import is_template
from devloop.config.names import number, to_label
from devloop.config.tree import List, Map, Node, Place, Scalar

_IMAGE = re.compile(
    r"\{\{-?\s*\.IMAGE_(?P<part>FULLY_QUALIFIED|REPO_NO_DOMAIN|REPO|NAME|TAG|DIGEST|DOMAIN)(?:_(?P<name>\w+?))?(?P<index>\d+)?\s*-?\}\}"
)
_DOES = "devloop does so by itself"
_PARTS = {
    "REPO": "repository",
    "NAME": "repository",
    "REPO_NO_DOMAIN": "repository",
    "TAG": "tag",
    "DIGEST": "digest",
    "DOMAIN": "registry",
}


@dataclass(frozen=True)
class _Value:
    """A value of a chart that takes a part of an image. `part`: value, repository, tag, digest, registry."""

    place: Place
    path: str
    image: str
    part: str


def convert(around: Around, release: Fields) -> Map | None:
    """The unit; None when it has no chart."""
    name, chart = around.templated(release, "name"), _chart(around, release)
    if chart is None:
        around.notes.add(release.place, release.path, "a release needs `chartPath` or `remoteChart`", matters=True)
        return None
    taken, plain = _values(around, release)
    unit = to_label(name.text) if isinstance(name, Scalar) else ""
    helm = mapping(
        release.place,
        ("chart", chart),
        ("release", name if isinstance(name, Scalar) and name.text != unit else None),
        ("repo", release.take("repo")),
        ("version", around.templated(release, "version")),
        ("namespace", around.templated(release, "namespace")),
        ("createNamespace", release.take("createNamespace")),
        ("values", around.path(around.templated(release, "valuesFiles"))),
        ("set", Map(release.place, plain) if plain else None),
        ("setFile", around.path(around.templated(release, "setFiles"))),
        ("setJson", _overrides(release)),
        ("images", listed(release.place, [*_grouped(around, release, taken), *_overridden(release)])),
    )
    _leave(release)
    needs = release.take("dependsOn")
    release.done()
    return mapping(release.place, ("name", text(release.place, unit or "chart")), ("needs", needs), ("helm", helm))


def _chart(around: Around, release: Fields) -> Node | None:
    local, remote = around.templated(release, "chartPath"), around.templated(release, "remoteChart")
    return remote or around.path(local)


def _leave(release: Fields) -> None:
    release.leave(_DOES, "wait", "upgradeOnChange")
    release.leave("dependencies of a chart are not updated; have them in its `charts` folder", "skipBuildDependencies")
    release.leave("tests of charts are never run", "skipTests")
    release.leave("only pods that change are replaced", "recreatePods")
    release.leave("secrets are not decrypted", "useHelmSecrets", matters=True)
    release.leave("charts are not packaged", "packaged")


def _values(around: Around, release: Fields) -> tuple[list[_Value], tuple[tuple[Scalar, Node], ...]]:
    """Values that take images, and the others; nested ones under their paths with dots."""
    taken: list[_Value] = []
    plain: list[tuple[Scalar, Node]] = []
    for key, node, path in _flat(release.take("setValues"), release.at("setValues")):
        if isinstance(node, Scalar):
            plain.append((key, node))
        else:
            around.notes.add(node.place, path, "`helm --set` takes single values", matters=True)
    for key, node, path in _flat(release.take("setValueTemplates"), release.at("setValueTemplates")):
        found = _image_value(around, key, node, path) if isinstance(node, Scalar) else None
        if found is not None:
            taken.append(found)
        elif not (isinstance(node, Scalar) and _names_image(node.text)):
            made = around.fill(node, path)
            if made is not None:
                plain.append((key, made))
    return taken, tuple(plain)


def _flat(node: Node | None, path: str, before: str = "") -> Iterator[tuple[Scalar, Node, str]]:
    if not isinstance(node, Map):
        return
    for key, value in node.entries:
        name = f"{before}{key.text}"
        if isinstance(value, Map):
            yield from _flat(value, f"{path}.{key.text}", f"{name}.")
        else:
            yield Scalar(key.place, name), value, f"{path}.{key.text}"


def _names_image(written: str) -> bool:
    return is_template(written) and ".IMAGE_" in written


def _image_value(around: Around, key: Scalar, node: Scalar, path: str) -> _Value | None:
    """What a template takes of which image. A digest behind the tag is devloop's own to add."""
    if not _names_image(node.text):
        return None
    found = list(_IMAGE.finditer(node.text))
    parts = [each["part"] for each in found]
    images = {_image(around, each["name"], each["index"]) for each in found}
    image = next(iter(images)) if len(images) == 1 else None
    rest = _IMAGE.sub("", node.text).strip()
    if image is not None and (rest, parts) in (
        ("", ["FULLY_QUALIFIED"]),
        (":", ["REPO", "TAG"]),
        ("/:", ["DOMAIN", "REPO_NO_DOMAIN", "TAG"]),
    ):
        return _Value(node.place, key.text, image, "value")
    if image is not None and (rest, parts) in (("@", ["TAG", "DIGEST"]), (":@", ["REPO", "TAG", "DIGEST"])):
        return _Value(node.place, key.text, image, "tag" if len(parts) == 2 else "value")
    if image is not None and rest == "" and len(parts) == 1:
        return _Value(node.place, key.text, image, _PARTS[parts[0]])
    reason = (
        "its template takes no artifact's image in a way that `helm.images` has"
        if image
        else "its template names no artifact of the file"
    )
    around.notes.add(node.place, path, reason, matters=True)
    return None


def _image(around: Around, name: str | None, index: str | None) -> str | None:
    """The artifact that a template means: by the name behind, or the number of its place, the first having none."""
    if name is not None:
        whole = name + (index or "")
        return next((each for each in around.images if suffix(each) == whole), None)
    at = int(index) - 1 if index else 0
    return around.images[at] if 0 <= at < len(around.images) else None


def _grouped(around: Around, release: Fields, values: Sequence[_Value]) -> Iterator[Map]:
    """Entries of `images`: all values, and each repository with what else is taken of the image, the nearest by its path."""
    for each in values:
        if each.part == "value":
            yield mapping(each.place, ("image", text(each.place, each.image)), ("value", text(each.place, each.path)))
    repositories = [each for each in values if each.part == "repository"]
    others: dict[tuple[int, str], _Value] = {}
    for each in values:
        if each.part in ("tag", "digest", "registry"):
            at = _nearest(each, repositories)
            if at is None:
                reason = "no value takes the image's name beside it"
                around.notes.add(each.place, f"{release.at('setValueTemplates')}.{each.path}", reason, matters=True)
            else:
                others[at, each.part] = each
    for index, each in enumerate(repositories):
        more = ((part, others.get((index, part))) for part in ("tag", "registry", "digest"))
        yield mapping(
            each.place,
            ("image", text(each.place, each.image)),
            ("repository", text(each.place, each.path)),
            *((part, text(found.place, found.path) if found else None) for part, found in more),
        )


def _nearest(value: _Value, repositories: Sequence[_Value]) -> int | None:
    def shared(index: int) -> int:
        pairs = zip(value.path.split("."), repositories[index].path.split("."), strict=False)
        return sum(1 for one, other in pairs if one == other)

    same = [index for index, each in enumerate(repositories) if each.image == value.image]
    return max(same, key=shared) if same else None


def _overridden(release: Fields) -> Iterator[Map]:
    """`artifactOverrides` of v2: each value takes the whole image, or its parts where the strategy is helm's."""
    found, strategy = release.take("artifactOverrides"), release.record("imageStrategy")
    helm = strategy.record("helm") if strategy and strategy.has("helm") else None
    is_split = strategy is not None and strategy.has("helm")
    with_registry = helm is not None and helm.is_true("explicitRegistry")
    for key, node, _ in _flat(found, release.at("artifactOverrides")):
        if not isinstance(node, Scalar):
            continue
        at = node.place
        if not is_split:
            yield mapping(at, ("image", node), ("value", text(at, key.text)))
            continue
        yield mapping(
            at,
            ("image", node),
            ("repository", text(at, f"{key.text}.repository")),
            ("tag", text(at, f"{key.text}.tag")),
            ("registry", text(at, f"{key.text}.registry") if with_registry else None),
        )


def _overrides(release: Fields) -> Map | None:
    """`overrides` as single values in JSON, which win over `valuesFiles` where Skaffold's do not."""
    found = release.take("overrides")
    entries = tuple((key, text(node.place, json.dumps(_plain(node)))) for key, node, _ in _flat(found, ""))
    if found is not None and release.take("valuesFiles") is not None:
        reason = "what they both say is taken from `overrides`; with Skaffold, from the files"
        release.notes.add(found.place, release.at("valuesFiles"), reason, matters=True)
    return Map(release.place, entries) if entries else None


def _plain(node: Node) -> object:
    match node:
        case Map():
            return {key.text: _plain(value) for key, value in node.entries}
        case List():
            return [_plain(each) for each in node.items]
        case Scalar(kind="flag"):
            return node.text.lower() == "true"
        case Scalar(kind="whole") if number(node.text.lstrip("+-")) is not None:
            return int(node.text)
        case Scalar(kind="number"):
            return float(node.text)
        case Scalar(kind="nothing"):
            return None
        case _:
            return node.text
