"""Skaffold's `tagPolicy` as devloop's readable tag. Comes in: its fields. Goes out: a mapping. Pure, but for the notes."""

from __future__ import annotations

from devloop.config.importing import templates
from devloop.config.importing.fields import Fields, filled, mapping, text
from devloop.config.tree import List, Map, Node, Scalar

_SAME = {
    "gitCommit": ("variant", "prefix", "ignoreChanges"),
    "dateTime": ("format", "timezone"),
    "envTemplate": ("template",),
}
_GO_FORMATS = {  # https://pkg.go.dev/time#pkg-constants, the longest first
    "2006": "%Y", "01": "%m", "02": "%d", "15": "%H", "03": "%I", "04": "%M", "05": "%S", "MST": "%Z", "Jan": "%b", "Mon": "%a", "PM": "%p",
}  # fmt: skip


def convert(policy: Fields) -> Map | None:
    """The policy; None where it is devloop's own way: a tag that says what the image was made from."""
    if policy.has("inputDigest"):
        policy.done()
        return None
    made: tuple[str, Node | None]
    if policy.has("sha256"):
        made = ("fixed", text(policy.place, "latest"))
    elif (custom := policy.record("customTemplate")) is not None:
        parts = tuple(_component(each) for each in custom.records("components"))
        made = (
            "customTemplate",
            mapping(custom.place, ("template", custom.take("template")), ("components", List(custom.place, parts))),
        )
        custom.done()
    else:
        made = _plain(policy)
    policy.done()
    return filled(mapping(policy.place, made))


def _component(component: Fields) -> Map:
    if component.has("inputDigest"):
        component.leave("the tag of every image says that by itself", "inputDigest")
    made = ("fixed", text(component.place, "latest")) if component.has("sha256") else _plain(component)
    name = component.take("name")
    component.done()
    return mapping(component.place, ("name", name), made)


def _plain(policy: Fields) -> tuple[str, Node | None]:
    kind = next((key for key in _SAME if policy.has(key)), "gitCommit")
    spec = policy.record(kind)
    if spec is None:
        return kind, Map(policy.place, ())
    made = mapping(spec.place, *((key, _value(spec, key)) for key in _SAME[kind]))
    spec.done()
    return kind, None if kind == "envTemplate" and not made.entries else made


def _template(spec: Fields, found: Scalar) -> Node | None:
    """As it is, if it only names variables of the environment."""
    try:
        templates.fill(found.text, _known)
    except templates.NotToldError as exc:
        spec.notes.add(found.place, spec.at("template"), f"{exc}; images get no readable tag")
        return None
    return found


def _known(name: str, other: str | None) -> str:
    if other is not None or name.startswith(("IMAGE_", "DIGEST")):
        raise templates.NotToldError(
            f"a tag is made of variables of the environment, without a default; {name} is none"
        )
    return name


def _value(spec: Fields, key: str) -> Node | None:
    found = spec.take(key)
    if key == "template" and isinstance(found, Scalar):
        return _template(spec, found)
    if key != "format" or not isinstance(found, Scalar):
        return found
    written = found.text.replace("%", "%%")
    for go, strftime in _GO_FORMATS.items():
        written = written.replace(go, strftime)
    return text(found.place, written)
