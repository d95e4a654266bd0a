"""The options that commands share, each spelt once.

Comes in: nothing. Goes out: annotated types for the commands' parameters, and `Common`, what they add up to. No heavy import.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devloop.cli import complete

if TYPE_CHECKING:
    from devloop.cli.outside import Outside
    from devloop.cli.preferences import Preferences


class Output(StrEnum):
    """How a command talks: to people, or one JSON event a line."""

    text = "text"
    json = "json"


File = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="The configuration, or its folder. Default: devloop.yaml here.", show_default=False
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="For objects that name none. Default: the configuration's, or the context's."
    ),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="The kubeconfig context. Default: the configuration's, or the current one."),
]
OutputFormat = Annotated[
    Output | None,
    typer.Option(
        "--output",
        "-o",
        help="text for people, json for one event a line (schemas/events-v1.json).",
        show_default=False,
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        help="Lay this profile over the configuration; `-p -NAME` leaves one out. May be given again, or as a,b.",
        metavar="NAME",
        autocompletion=complete.profiles,
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var", help="The value of a variable of the configuration; may be given again.", metavar="NAME=VALUE"
    ),
]
Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, help="Say more: what starts, is skipped, and the builds' own output."),
]


NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache", help="Build all images anew, from nothing; they get other tags than before, and stay in use."
    ),
]


TagOption = Annotated[
    str,
    typer.Option(
        "--tag", help="A readable tag for the images, besides their own. Default: by `build.tagPolicy`.", metavar="TAG"
    ),
]


SkipTests = Annotated[
    bool, typer.Option("--skip-tests", help="Take images to the cluster untested, whatever `test` says.")
]


class Watch(StrEnum):
    """How `dev` hears of changes on disk."""

    native = "native"
    poll = "poll"
    manual = "manual"


WatchOption = Annotated[
    Watch | None,
    typer.Option(
        "--watch",
        help="native: as the system reports it (polls where that fails); poll: look every 2 s; manual: on Enter, or a line of input.",
    ),
]


OverridesOption = Annotated[
    bool, typer.Option("--dev-overrides", help="With `devOverrides` of the configuration, as `devloop dev` applies it.")
]


ForceConflicts = Annotated[
    bool,
    typer.Option(
        "--force-conflicts",
        help="Take fields over that other managers own (kubectl edit, helm, an autoscaler), and say which.",
    ),
]
Recreate = Annotated[
    list[str] | None,
    typer.Option(
        "--recreate",
        help="Delete this object and make it anew where its change needs that, though data could go; may be given again.",
        metavar="KIND/NAME",
    ),
]


class ClusterTool(StrEnum):
    """What makes local clusters."""

    kind = "kind"
    k3d = "k3d"


ToolOption = Annotated[
    ClusterTool | None,
    typer.Option("--tool", help="Default: the one that is installed, kind first.", show_default=False),
]


Modules = Annotated[
    list[str] | None,
    typer.Option(
        "--module",
        "-m",
        help="Only this module and what it requires; may be given again. Default: all of them.",
        metavar="NAME",
        autocompletion=complete.modules,
        show_default=False,
    ),
]


def _preferences() -> Preferences:
    from devloop.cli.preferences import Preferences

    return Preferences()


def _outside() -> Outside:
    from devloop.cli.outside import Outside

    return Outside()


@dataclass(frozen=True)
class Common:
    """The shared options of one invocation. `command`: its name. `profiles`: names, each perhaps with `-` before it. `outside`: what the
    configuration hears of besides, over all readings of it.
    """

    file: Path | None = None
    namespace: str | None = None
    context: str | None = None
    output: Output = Output.text
    verbose: int = 0
    command: str = ""
    profiles: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    preferences: Preferences = field(default_factory=_preferences)
    modules: tuple[str, ...] = ()
    outside: Outside = field(default_factory=_outside, compare=False, repr=False)
