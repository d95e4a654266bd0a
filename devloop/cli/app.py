"""The command line: the table of commands, and the one place where what happened becomes an exit code.

Comes in: arguments. Goes out: an exit code: 0 done, 1 a step failed, 2 usage or configuration, 3 a bug in devloop, 130
interrupted. Commands' bodies are imported when they run, so that `--help` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from devloop.cli import deployed, groups
from devloop.cli.configured import configured
from devloop.cli.options import (
    Common,
    ForceConflicts,
    NoCache,
    Output,
    OutputFormat,
    OverridesOption,
    Recreate,
    SkipTests,
    TagOption,
    Verbose,
    Watch,
    WatchOption,
)

INTERRUPTED = 130
BUG = 3

# What the parser raises for a wrong command line. Typer exports only one of its subclasses under a public name.
_PARSER_ERROR: Any = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")

app = typer.Typer(
    name="devloop",
    help="The local dev loop for Kubernetes: edit a file, see it run in the cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(argv: Sequence[str]) -> int:
    """Runs one command to its end; returns the process's exit code. Prints what the user has to know about a failure."""
    from devloop.errors import Bug, DevloopError

    try:
        code = app(list(argv), prog_name="devloop", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except _PARSER_ERROR as exc:
        exc.show()
        return 2
    except DevloopError as exc:
        _print_error(exc)
        return exc.exit_code
    except (KeyboardInterrupt, typer.Abort):  # before or after the part of a command that listens to signals itself
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again when it flushes at exit.
        sys.stdout = None
        return INTERRUPTED
    except Bug as exc:
        return _report_bug(str(exc), exc.trace)
    except Exception as exc:  # noqa: BLE001 - the last resort: a bug, said as such, with all that a report needs
        import traceback

        trace = "".join(traceback.format_exception(exc))
        return _report_bug(f"{type(exc).__name__}: {exc}", trace)


def _print_error(exc: object) -> None:
    from devloop.errors import ConfigError, DevloopError

    assert isinstance(exc, DevloopError)
    lines = [str(each) for each in exc.problems] if isinstance(exc, ConfigError) else []
    if not lines:
        where = f"{exc.where}: " if exc.where else ""
        lines = [
            f"{where}{exc.message}",
            *([f"  next: {exc.hint}"] if exc.hint else []),
            *(f"  {line}" for line in exc.evidence),
        ]
    print("\n".join(["error: " + lines[0], *lines[1:]]), file=sys.stderr)  # noqa: T201


def _report_bug(said: str, trace: str) -> int:
    import platform

    from devloop import __version__
    from devloop.store.folders import cache_folder

    text = f"devloop {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n{trace}"
    log = cache_folder() / "bug.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text)
        place = f"all that a report needs is in {log}"
    except OSError as problem:
        place = f"its report could not be written ({problem}), so here it is:\n{text}"
    print(f"error: bug in devloop: {said}\n  next: please report it; {place}", file=sys.stderr)  # noqa: T201
    return BUG


def _print_version(value: bool) -> None:
    if value:
        from devloop import __version__

        typer.echo(f"devloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
@configured
def dev(
    common: Common,
    keep: Annotated[bool, typer.Option("--keep", help="Leave what was deployed in the cluster on exit.")] = False,
    watch: WatchOption = None,
    skip_tests: SkipTests = False,
    force_conflicts: ForceConflicts = False,
    recreate: Recreate = None,
) -> int:
    """Keep the cluster equal to the sources until Ctrl-C, with logs and ports; then delete what was deployed."""
    from devloop.cli.consent import consent
    from devloop.cli.dev import dev as body

    allowed = consent(is_forcing=force_conflicts, recreate=recreate)
    return body(
        common, keep=keep, watch=watch or Watch(common.preferences.watch), is_testing=not skip_tests, consent=allowed
    )


@app.command(name="run")
@configured
def run_(
    common: Common,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Deploy the images of this file, which `devloop build --file-output` wrote; build none."
        ),
    ] = None,
    no_cache: NoCache = False,
    tag: TagOption = "",
    skip_tests: SkipTests = False,
    dev_overrides: OverridesOption = False,
    force_conflicts: ForceConflicts = False,
    recreate: Recreate = None,
) -> int:
    """Build, test, deploy and wait until all is ready, once; for CI."""
    from devloop.cli.consent import consent
    from devloop.cli.run import RunOptions
    from devloop.cli.run import run as body

    allowed = consent(is_forcing=force_conflicts, recreate=recreate)
    options = RunOptions(images, no_cache, tag, not skip_tests, dev_overrides, allowed)
    return body(common, options)


@app.command()
@configured
def build(
    common: Common,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--build-image", "-b", help="Only this artifact and what it requires; may be given again.", metavar="NAME"
        ),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Push the images, to `cluster.registry` or where their names say.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be built.")] = False,
    no_cache: NoCache = False,
    tag: TagOption = "",
    file_output: Annotated[
        Path | None,
        typer.Option("--file-output", help="Write the images' names with tags as JSON, for `devloop run --images`."),
    ] = None,
) -> int:
    """Build the images, and print their names with tags. Asks no cluster; the context may bring an engine along (minikube)."""
    from devloop.cli.build import BuildOptions
    from devloop.cli.build import build as body

    options = BuildOptions(names or (), push, dry_run, no_cache, tag, file_output)
    return body(common, options)


@app.command(name="test")
@configured
def image_tests(
    common: Common,
    names: Annotated[
        list[str] | None, typer.Argument(help="The artifacts to test; all that have tests by default.", metavar="NAME")
    ] = None,
) -> int:
    """Build what is to be tested, and run its tests; what passed before is not run again. Places and deploys nothing."""
    from devloop.cli.test import test as body

    return body(common, names or ())


@app.command(name="import")
def import_(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="skaffold.yaml, Tiltfile or devspace.yaml, or its folder. Default: the one here.", show_default=False
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Where to write it; - prints it. Default: devloop.yaml beside the file.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    output: OutputFormat = Output.text,
    verbose: Verbose = 0,
) -> int:
    """Write a devloop.yaml from another tool's configuration, with all that is not carried in comments."""
    from devloop.cli.importing import import_ as body

    return body(Common(output=output or Output.text, verbose=verbose), file, to=to, is_forced=force)


@app.command()
@configured
def explain(
    common: Common,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, targets (`image/NAME`, `test/NAME`, `deploy/NAME`, NAME); all targets by default."
        ),
    ] = None,
) -> int:
    """Say which targets a file feeds and what saving it would do, or what a target reads and whether it is up to date."""
    from devloop.cli.explain import explain as body

    return body(common, what or ())


for _name, _command in deployed.COMMANDS.items():
    app.command(name=_name)(_command)

for _name, _group in groups.GROUPS.items():
    app.add_typer(_group, name=_name)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder.", show_default=False)] = Path(),
    artifacts: Annotated[
        list[str] | None,
        typer.Option(
            "--artifact", help="Which Dockerfile makes an image; `IMAGE=`: none here does.", metavar="IMAGE=DOCKERFILE"
        ),
    ] = None,
    deploy: Annotated[
        list[str] | None,
        typer.Option("--deploy", help="Deploy only this: kustomize, helm, manifests or compose.", metavar="WHAT"),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take what is likeliest, and write it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also write files anew that are there already.")] = False,
    output: OutputFormat = Output.text,
) -> int:
    """Write a first devloop.yaml from what is in the folder, and the Dockerfiles and manifests that are missing."""
    from devloop.cli.init import InitOptions
    from devloop.cli.init import init as body

    options = InitOptions(artifacts or (), deploy or (), yes, dry_run, force)
    return body(Common(output=output or Output.text), folder, options)


@app.command()
@configured
def doctor(common: Common) -> int:
    """Look at all that devloop stands on: engine, programs, cluster, rights, limits; and say what to do. Changes nothing."""
    from devloop.cli.doctor import doctor as body

    return body(common)


@app.command()
def schema(
    events: Annotated[
        bool, typer.Option("--events", help="The schema of the events instead of devloop.yaml's.")
    ] = False,
) -> int:
    """Print the JSON schema of devloop.yaml."""
    from devloop.cli.schema import schema as body

    return body(is_events=events)


@app.command()
def version(output: OutputFormat = Output.text) -> int:
    """Print the version."""
    from devloop.cli.version import version as body

    return body(output or Output.text)
