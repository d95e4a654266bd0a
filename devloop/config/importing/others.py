"""Skaffold's `test`, `portForward` and `resourceSelector` as devloop's.

Comes in: their fields. Goes out: lists. Pure, but for the notes."""

from __future__ import annotations

from collections.abc import Iterator

from devloop.config.defaults import KINDS
from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.names import number
from devloop.config.tree import Map, Scalar

_NOT_THE_LOOP = "devloop runs no containers besides what it deploys; call it in a script after `devloop run`"


def tests(around: Around, config: Fields) -> Iterator[Map]:
    """The tests of images."""
    for test in config.records("test"):
        context = test.take("context")
        custom = [_command(each) for each in test.records("custom")]
        made = mapping(
            test.place,
            ("image", around.templated(test, "image")),
            ("context", around.path(context or (text(test.place, ".") if around.folder != "." else None))),
            ("custom", listed(test.place, custom)),
            ("structureTests", test.take("structureTests")),
            ("structureTestsArgs", test.take("structureTestsArgs")),
        )
        test.done()
        yield made


def _command(command: Fields) -> Map:
    dependencies = command.record("dependencies")
    read = None
    if dependencies is not None:
        read = mapping(dependencies.place, *((key, dependencies.take(key)) for key in ("paths", "ignore", "command")))
        dependencies.done()
    made = mapping(
        command.place,
        ("command", command.take("command")),
        ("timeoutSeconds", command.take("timeoutSeconds")),
        ("dependencies", read),
    )
    command.done()
    return made


def forwards(around: Around, config: Fields) -> Iterator[Map]:
    """The ports on this machine."""
    for entry in config.records("portForward"):
        kind, name = entry.text("resourceType").lower(), around.templated(entry, "resourceName")
        port, local = entry.take("port"), entry.take("localPort")
        is_number = isinstance(port, Scalar) and number(port.text) is not None
        known = kind in KINDS or any(kind in names for names in KINDS.values())
        namespace, address = around.templated(entry, "namespace"), entry.take("address")
        entry.done()
        if not known or not isinstance(name, Scalar):
            around.notes.add(
                entry.place, entry.path, f"ports are of {', '.join(KINDS)}, by name; this is of a `{kind or '?'}`"
            )
        elif local is None and not is_number:
            around.notes.add(entry.place, entry.path, "a port with a name needs its `localPort`")
        else:
            yield mapping(
                entry.place,
                ("resource", text(entry.place, f"{kind}/{name.text}")),
                ("port", port),
                ("localPort", local),
                ("namespace", namespace),
                ("address", address),
            )


def image_paths(config: Fields) -> Iterator[Map]:
    """Where objects of other kinds have images."""
    selector = config.record("resourceSelector")
    if selector is None:
        return
    selector.leave("kinds that devloop knows are always looked through", "deny", matters=True)
    for rule in selector.records("allow"):
        kind, _, group = rule.text("groupKind").partition(".")
        paths = [_path(each) for each, _ in rule.items("image") if isinstance(each, Scalar)]
        rule.leave("objects get no labels", "labels")
        rule.leave("only images are looked for", "podSpec", matters=True)
        rule.done()
        if kind and paths:
            yield mapping(
                rule.place,
                ("kind", text(rule.place, kind)),
                ("group", text(rule.place, group) if group else None),
                ("paths", listed(rule.place, paths)),
            )
    selector.done()


def _path(node: Scalar) -> Scalar:
    return text(node.place, "..image" if node.text == ".*" else node.text)


def leave(config: Fields) -> None:
    """Notes the parts of the file that devloop has nothing for."""
    config.leave(_NOT_THE_LOOP, "verify", "customActions")
