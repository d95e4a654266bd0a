"""The options of every command that reads the configuration, added in one place.

Comes in: a command's function, which takes a `Common` first. Goes out: the function that typer sees, with the shared options in its
place. What flags leave out, the environment and the user's settings say.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from devloop.cli.options import (
    Common,
    Context,
    File,
    Modules,
    Namespace,
    Output,
    OutputFormat,
    Profiles,
    Variables,
    Verbose,
)


def configured(body: Callable[..., int]) -> Callable[..., int]:
    """The command with `--file`, `--module`, `--namespace`, `--context`, `--profile`, `--var`, `--output` and `--verbose`."""
    own = [each for name, each in inspect.signature(body, eval_str=True).parameters.items() if name != "common"]

    def command(ctx: typer.Context, **values: Any) -> int:
        shared = {name: values.pop(name) for name in _SHARED}
        return body(_common(_name(ctx), shared), **values)

    first = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [first, *_SHARED.values(), *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect reads
    command.__annotations__ = {}
    command.__name__, command.__doc__ = body.__name__, body.__doc__
    return command


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_SHARED: Mapping[str, inspect.Parameter] = {
    each.name: each
    for each in (
        _parameter("file", File),
        _parameter("module", Modules),
        _parameter("namespace", Namespace),
        _parameter("context", Context),
        _parameter("profile", Profiles),
        _parameter("var", Variables),
        _parameter("output", OutputFormat),
        _parameter("verbose", Verbose, 0),
    )
}


def _common(command: str, shared: Mapping[str, Any]) -> Common:
    from devloop.cli import preferences

    file: Path | None = shared["file"]
    said = preferences.read()
    output: Output | None = shared["output"]
    _check_namespace(shared["namespace"])
    return Common(
        file,
        shared["namespace"] or said.stated.namespace,
        shared["context"] or said.stated.context,
        output or Output(said.output),
        shared["verbose"] or said.verbose,
        command,
        tuple(_split(shared["profile"])),
        tuple(shared["var"] or ()),
        said,
        tuple(_split(shared["module"])),
    )


def _check_namespace(name: str | None) -> None:
    """Raises: UsageError for what no namespace can be called."""
    from devloop.config import names
    from devloop.errors import UsageError

    if name and not names.is_label(name):
        hint = "lower-case letters, digits and `-`, a letter or digit at both ends"
        raise UsageError(f"`{name}` is no name of a namespace", where="--namespace", hint=hint)


def _split(names: Sequence[str] | None) -> list[str]:
    return [each for word in names or () for each in word.split(",") if each]


def _name(ctx: typer.Context) -> str:
    """As it is typed: `run`, `cache ls`."""
    return ctx.command_path.partition(" ")[2]
