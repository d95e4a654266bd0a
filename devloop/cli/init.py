"""`devloop init`: a first devloop.yaml, and what else a project lacks.

Comes in: a folder and what the user has decided. Goes out: all the files or none. What would be written is shown before it is; a file that
is there stays unless --force says otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devloop import events
from devloop.cli import written
from devloop.cli.asking import Terminal
from devloop.cli.options import Common, Output
from devloop.cli.report import INTERRUPTED, Report, reporting
from devloop.config import load, modules
from devloop.errors import ConfigError, StepFailed, UsageError
from devloop.scope import Scope
from devloop.setup import look, plan, text, walk
from devloop.setup.plan import Decisions, Plan
from devloop.setup.records import Findings

CONFIG = modules.NAMES[0]

Choose = Callable[[str, Sequence[str], str], int]  # question, answers, the option that says it → index of the answer


@dataclass(frozen=True)
class InitOptions:
    """`artifacts`: IMAGE=DOCKERFILE, or IMAGE= for one of somebody else's."""

    artifacts: Sequence[str] = ()
    deploy: Sequence[str] = ()
    is_sure: bool = False
    is_dry_run: bool = False
    is_forced: bool = False


def init(common: Common, folder: Path, options: InitOptions) -> int:
    """Looks, asks what only a person knows, shows, writes. Ctrl-C at any moment leaves the folder as it was, and ends with 130."""

    def body(report: Report) -> int:
        with Scope("init") as scope, report.interrupts.during(scope.cancel):
            root = Path(os.path.abspath(folder))
            if not options.is_dry_run and not options.is_forced:
                _check_new(root)
            asks = _asks(scope, common, report, options)
            tree = walk.look(root)
            scope.check()
            found = look.look(tree)
            guesses: list[str] = []
            made = _decide(tree, found, _decisions(options), _choose(asks, options, guesses))
            setup = events.Setup(
                state="would write",
                found=tuple(_found(found)),
                files={CONFIG: text.write(made), **text.paths(made)},
                notes=(*guesses, *made.notes),
            )
            if options.is_dry_run or common.output is Output.text:
                report.emit(setup)
            if options.is_dry_run:
                return 0
            written.check(root, setup.files, is_forced=options.is_forced)
            if asks and not asks.confirms(f"write {_counted(len(setup.files), 'file')} to {root}?"):
                report.emit(events.Notice(message="nothing was written", is_answer=True))
                return INTERRUPTED
            written.write(scope, root, setup.files, lambda: _check_valid(root / CONFIG))
            report.emit(replace(setup, state="written"))
        return 0

    return reporting(common, body)


def _asks(scope: Scope, common: Common, report: Report, options: InitOptions) -> Terminal | None:
    """The person to ask, if there is one."""
    is_there = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    is_quiet = options.is_sure or options.is_dry_run or common.output is Output.json
    return Terminal(scope, report.emit) if is_there and not is_quiet else None


def _choose(asks: Terminal | None, options: InitOptions, guesses: list[str]) -> Choose:
    """How what only a person knows is decided: by asking, by guessing where that was asked for, or not at all."""

    def choose(question: str, answers: Sequence[str], option: str) -> int:
        if asks:
            return asks.choose(question, answers)
        if not options.is_sure and not options.is_dry_run:
            hint = f"say it with {option} ({'; '.join(answers)}), or take the first with --yes"
            raise UsageError(question.removesuffix("?") + ": that cannot be told from the names", hint=hint)
        guesses.append(f"{question} Guessed: {answers[0]}; else say it with {option} ({'; '.join(answers[1:])})")
        return 0

    return choose


def _check_new(root: Path) -> None:
    there = next((each for each in modules.NAMES if os.path.lexists(root / each)), None)
    if there:
        raise UsageError(
            f"{there} is there already",
            where=str(root),
            hint="`devloop init --dry-run` shows what it would be now; --force writes it anew",
        )


def _check_valid(file: Path) -> None:
    """Raises: StepFailed when what was written breaks a rule of the configuration, which is never the user's fault."""
    try:
        load.load(file)
    except ConfigError as exc:
        if all(each.file.endswith(load.DOTENV) for each in exc.problems):
            raise  # that file is the user's
        raise StepFailed(
            "what init made of this folder is no valid configuration, so nothing was written",
            hint="please report it, with the output of `devloop init --dry-run`",
            evidence=tuple(map(str, exc.problems)),
        ) from exc


def _decisions(options: InitOptions) -> Decisions:
    parted = [each.partition("=") for each in options.artifacts]
    for image, equals, _ in parted:
        if not image or not equals:
            raise UsageError(
                f"--artifact {image}: no `=`", hint="--artifact IMAGE=DOCKERFILE; IMAGE= is somebody else's"
            )
    for each in options.deploy:
        if each not in plan.DEPLOYS:
            raise UsageError(f"--deploy {each}: unknown", hint=f"it is one of {', '.join(plan.DEPLOYS)}")
    return Decisions(
        {image: os.path.normpath(file) if file else None for image, _, file in parted}, tuple(options.deploy)
    )


def _decide(tree: walk.Tree, found: Findings, decided: Decisions, choose: Choose) -> Plan:
    """The plan without open questions. Raises: what `choose` does."""
    rivals = plan.rivals(found)
    if len(rivals) > 1 and not decided.deploy:
        words = "the same images are deployed in several ways; which one?"
        decided = replace(decided, deploy=(rivals[choose(words, rivals, "--deploy WHAT")],))
    while (made := plan.make(tree, found, decided)).questions:
        question = made.questions[0]
        files = [each.dockerfile for each in question.choices]
        answers = [*files, "none: it is somebody else's"]
        index = choose(f"which Dockerfile makes {question.image}?", answers, f"--artifact {question.image}=DOCKERFILE")
        chosen = files[index] if index < len(files) else None
        decided = replace(decided, artifacts={**decided.artifacts, question.image: chosen})
    return made


def _found(found: Findings) -> list[str]:
    """What a person should recognise their project by."""
    lines = [
        f"{each.language} program in {each.context}, which has no Dockerfile" if each.is_new else each.dockerfile
        for each in found.sources
    ]
    lines += [f"kustomization {each.path}" + _others(each.others) for each in found.kustomize]
    lines += [f"chart {each.path}" + _others(each.others) for each in found.charts]
    lines += [f"manifests {', '.join(each.patterns)}" for each in found.manifests]
    return lines + ([found.compose] if found.compose else [])


def _others(others: Mapping[str, str]) -> str:
    return f", besides {', '.join(others.values())}" if others else ""


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
