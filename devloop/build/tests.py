"""Tests of an image that is built: commands, and container-structure-test.

Comes in: tests of the configuration, the folder of that, and an image in the engine. Goes out: what the tests read besides the image; a
failure when one does not pass. The tests of an image run one after the other, each in a process group of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devloop import commands, globs
from devloop.build import local
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import NumberedTest, Tools

STRUCTURE_TEST = "container-structure-test"
# What stands between words that may name files, in quotes or not.
_BETWEEN = re.compile(r"[\s;&|<>()\"'`=]+")


@dataclass(frozen=True)
class _Read:
    """What one test reads: patterns, and why; relative to `context`. `is_listed`: a command told them."""

    context: Path
    paths: tuple[str, ...]
    ignore: tuple[str, ...]
    what: str
    is_listed: bool = False


@dataclass(frozen=True)
class _Command:
    """One command: where it stands in the configuration, and its folder."""

    spec: model.CustomTest
    where: str
    folder: Path


def inputs(scope: Scope, tests: Sequence[NumberedTest], base: Path, tools: Tools) -> Inputs:
    """What the tests of an image read besides it. Runs `dependencies.command` where there is one; blocks on it. Raises: StepFailed."""
    read = [each for test in tests for each in _reads(scope, test, base, tools)]
    matchers = [globs.matcher(each.context, each.paths, each.ignore) for each in read]
    # What a command lists may hang on anything in the context, so it is asked again.
    listed = [globs.matcher(each.context, (".",), each.ignore) for each in read if each.is_listed]
    return Inputs(
        base=base,
        files=tuple(sorted({file for each in read for file in globs.expand(each.context, each.paths, each.ignore)})),
        roots=tuple(dict.fromkeys(root for each in read for root in _roots(each))),
        matches=lambda path: any(matches(path) for matches in matchers),
        values=(("tests", repr([test.spec for test in tests])),),
        is_definition=(lambda path: any(matches(path) for matches in listed)) if listed else None,
        why=lambda path: _why(path, read),
    )


def run(scope: Scope, tests: Sequence[NumberedTest], ref: str, base: Path, tools: Tools) -> int:
    """Runs the tests on an image; how many there were. Blocks; cancelled by the scope. Raises: StepFailed for the first that fails."""
    repository, _, tag = ref.rpartition(":")
    env = {**tools.engine.environment(), "IMAGE": ref, "IMAGE_REPO": repository, "IMAGE_TAG": tag}
    count = 0
    for test in tests:
        for number, custom in enumerate(test.spec.custom):
            _run_command(scope, _Command(custom, f"custom[{number}] of {test.where}", _context(test, base)), env, tools)
            count += 1
        if test.spec.structure_tests:
            count += _run_structure_tests(scope, test, ref, base, tools)
    return count


def _reads(scope: Scope, test: NumberedTest, base: Path, tools: Tools) -> Iterator[_Read]:
    context = _context(test, base)
    if not context.is_dir():
        raise StepFailed("the context is not a folder", where=test.where, hint=f"`context` names it: {context}")
    for number, custom in enumerate(test.spec.custom):
        wanted, where = custom.dependencies, f"custom[{number}] of {test.where}"
        if wanted.command is not None:
            paths = commands.listed(scope, wanted.command, context, tools, where=where, what="what the test reads")
            what = f"the command that lists what {where} reads"
            yield _Read(context, paths, wanted.ignore, what, is_listed=True)
        elif wanted.paths is not None:
            yield _Read(context, wanted.paths, wanted.ignore, f"`dependencies.paths` of {where}")
        else:
            yield _Read(context, _named_by(custom.command), wanted.ignore, f"the command of {where}")
    if test.spec.structure_tests:
        _structure_tests(test, base)
        yield _Read(context, test.spec.structure_tests, (), f"`structureTests` of {test.where}")


def _named_by(command: str) -> tuple[str, ...]:
    """The words that may name something in the context; `./...` is all of it, as Go has it. What is not there is read by nobody."""
    split = (word.removesuffix("...") for word in _BETWEEN.split(command))
    words = dict.fromkeys(os.path.normpath(word) for word in split if word)
    return tuple(globs.escape(word) for word in words if word != ".." and not word.startswith(("/", "../", "-", "$")))


def _roots(read: _Read) -> tuple[Path, ...]:
    if read.is_listed:
        return globs.roots(read.context, (".", *read.paths))
    return globs.roots(read.context, read.paths)


def _why(path: Path, read: Sequence[_Read]) -> str:
    for each in read:
        if globs.matcher(each.context, each.paths)(path):
            if not globs.matcher(each.context, each.ignore)(path):
                return f"{each.what} names it"
            return f"`dependencies.ignore` keeps it out, though {each.what} names it"
    return "no test names it"


def _run_command(scope: Scope, each: _Command, env: Mapping[str, str], tools: Tools) -> None:
    custom = each.spec
    argv = ["sh", "-c", custom.command]
    try:
        done = commands.run(scope, argv, timeout_s=custom.timeout_seconds, cwd=each.folder, env=env, tools=tools)
    except commands.TimedOut as late:
        raise StepFailed(
            f"the test did not end within {custom.timeout_seconds} s: {custom.command}",
            where=each.where,
            hint="`timeoutSeconds` gives it longer",
            evidence=late.tail,
        ) from None
    if done.code != 0:
        raise StepFailed(
            f"the test failed: {commands.ending(done.code)}: {custom.command}",
            where=each.where,
            hint=f"it runs with `sh -c` in {each.folder}, with IMAGE={env['IMAGE']}",
            evidence=done.tail,
        )


def _structure_tests(test: NumberedTest, base: Path) -> tuple[Path, ...]:
    """The files, in the order of the patterns. Raises: StepFailed for a pattern that names none."""
    context = _context(test, base)
    found: dict[Path, None] = {}
    for pattern in test.spec.structure_tests:
        files = globs.expand(context, (pattern,))
        if not files:
            raise StepFailed(
                f"`{pattern}` matches no file in {context}", where=test.where, hint="`structureTests` names it"
            )
        found |= dict.fromkeys(files)
    return tuple(found)


def _run_structure_tests(scope: Scope, test: NumberedTest, ref: str, base: Path, tools: Tools) -> int:
    files = _structure_tests(test, base)
    configs = [word for file in files for word in ("--config", str(file))]
    argv = [STRUCTURE_TEST, "test", "--image", ref, *configs, *test.spec.structure_tests_args]
    # It speaks to the engine itself, and knows nothing of the CLI's contexts.
    env = local.environment(scope, tools)
    done = tools.processes.run(scope, argv, cwd=_context(test, base), env=env, on_line=tools.line, check=False)
    if done.code != 0:
        raise StepFailed(
            f"{STRUCTURE_TEST} failed: {commands.ending(done.code)}",
            where=f"structureTests of {test.where}",
            hint=f"it ran as: {done.command}",
            evidence=done.tail,
        )
    return len(files)


def _context(test: NumberedTest, base: Path) -> Path:
    return Path(os.path.normpath(base / test.spec.context))
