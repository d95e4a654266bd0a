"""The command line of what has several commands under one word: cluster, config, cache.

Comes in: arguments. Goes out: each command's exit code. Only the table; the bodies are imported when they run. `app` puts it in its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from devloop.cli import complete
from devloop.cli.configured import configured
from devloop.cli.options import Common, Output, OutputFormat, ToolOption, Verbose

cluster = typer.Typer(help="Local clusters, made with kind or k3d.", no_args_is_help=True, rich_markup_mode=None)


@cluster.command(name="create")
def cluster_create(
    name: Annotated[str, typer.Argument(help="What to call it.")] = "devloop",
    tool: ToolOption = None,
    registry: Annotated[
        bool, typer.Option("--registry/--no-registry", help="A registry on this machine that the nodes pull from.")
    ] = True,
    workers: Annotated[int, typer.Option("--workers", min=0, max=20, help="Nodes besides the control plane.")] = 0,
    output: OutputFormat = Output.text,
    verbose: Verbose = 0,
) -> int:
    """Make a cluster with kind or k3d, with a registry wired to it; whole, or not at all."""
    from devloop.cli.cluster import create as body
    from devloop.clusters.tools import Wanted

    return body(
        Common(output=output or Output.text, verbose=verbose), Wanted(name, workers, registry), tool and tool.value
    )


@cluster.command(name="status")
def cluster_status(
    name: Annotated[str | None, typer.Argument(help="The cluster; all of them by default.", show_default=False)] = None,
    tool: ToolOption = None,
    output: OutputFormat = Output.text,
    verbose: Verbose = 0,
) -> int:
    """Say what local clusters there are: nodes, versions, registry, devloop's images and disk."""
    from devloop.cli.cluster import status as body

    return body(Common(output=output or Output.text, verbose=verbose), name, tool and tool.value)


@cluster.command(name="delete")
def cluster_delete(
    name: Annotated[str, typer.Argument(help="The cluster.")],
    tool: ToolOption = None,
    force: Annotated[bool, typer.Option("--force", help="Also one that devloop did not make.")] = False,
    output: OutputFormat = Output.text,
    verbose: Verbose = 0,
) -> int:
    """Delete a cluster that `devloop cluster create` made, and the registry with the last one."""
    from devloop.cli.cluster import delete as body

    return body(Common(output=output or Output.text, verbose=verbose), name, tool and tool.value, is_forced=force)


config = typer.Typer(help="The configuration as devloop understands it.", no_args_is_help=True, rich_markup_mode=None)


@config.command(name="show")
@configured
def config_show(
    common: Common,
    path: Annotated[
        str | None,
        typer.Option(
            "--explain",
            help="Only what is there, and what set it: `build.artifacts[0].image`, `deploy[api].name`.",
            metavar="PATH",
            autocompletion=complete.paths,
        ),
    ] = None,
) -> int:
    """Print the configuration with profiles, variables and every default in it; secrets as ***."""
    from devloop.cli.config import show as body

    return body(common, path)


@config.command(name="validate")
@configured
def config_validate(common: Common) -> int:
    """Say everything that is wrong with the configuration, each with its place. Exits with 2 if there is something."""
    from devloop.cli.config import validate as body

    return body(common)


cache = typer.Typer(help="The images that devloop made and keeps.", no_args_is_help=True, rich_markup_mode=None)


@cache.command(name="ls")
@configured
def cache_ls(
    common: Common,
) -> int:
    """List the project's images in the engine, and which of them stand for what is on disk now."""
    from devloop.cli.cache import ls as body

    return body(common)


@cache.command(name="prune")
@configured
def cache_prune(
    common: Common,
    is_all: Annotated[
        bool, typer.Option("--all", help="Keep only what stands for what is on disk now, or is in use.")
    ] = False,
) -> int:
    """Remove the project's superseded images from the engine and the nodes: all but the last three of each, and what a pod uses."""
    from devloop.cli.cache import prune as body

    return body(common, is_all=is_all)


GROUPS: Mapping[str, typer.Typer] = {"cluster": cluster, "config": config, "cache": cache}
