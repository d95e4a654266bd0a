"""What a build reads from its context, and which images it stands on.

Comes in: a parsed Dockerfile, the target stage, the build arguments and the names of other contexts. Goes out: `Reads`. Pure. When in
doubt a whole context counts: what BuildKit reads always lies within what is said here. ONBUILD triggers of images that are not stages
are not known here. Source of the rules: BuildKit's frontend/dockerfile/dockerfile2llb/convert.go.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from devloop.build.dockerfile import Dockerfile, Instruction, arguments, instruction, words
from devloop.build.expansion import Unknown, Variables, closed, expand
from devloop.build.wildcards import clean, has_wildcards, is_well_formed
from devloop.errors import StepFailed

_REMOTE = re.compile(r"(?:https?|git|ssh)://|[\w.-]+@[^/:]+:")
# Set by BuildKit from the platforms of engine and target.
PLATFORM_ARGUMENTS = tuple(
    f"{side}{what}" for side in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT")
)


@dataclass(frozen=True)
class Source:
    """Something that is copied or mounted. `path`: cleaned, relative to the context, perhaps with wildcards; "" for all of it.

    `include`: for COPY --parents, the pattern below `path`. `exclude`: patterns below `path` that are left out. `context`: the name of
    the context that the path is in, "" for the one without a name.
    """

    path: str
    line: int
    include: str = ""
    exclude: tuple[str, ...] = ()
    context: str = ""


@dataclass(frozen=True)
class Reads:
    """`images`: external images that FROM and --from name, as far as they can be told. `arguments`: names that ARG declares anywhere.

    `contexts`: which of the named contexts are used.
    """

    sources: tuple[Source, ...]
    images: tuple[str, ...]
    arguments: frozenset[str]
    contexts: frozenset[str] = frozenset()


# Where `--from` points to: the name of a context, "" for the one without, None for a stage or an image.
Whence = Callable[[str | None], str | None]


def reads(
    dockerfile: Dockerfile,
    target: str | None = None,
    build_args: Mapping[str, str | None] | None = None,
    *,
    contexts: Mapping[str, str] | None = None,
) -> Reads:
    """What building `target` (None: the last stage) reads. A build argument of value None is one that is known only later.

    `contexts`: by name, the image that one stands for, "" when it is no image of the engine. Raises: StepFailed with `file:line` for a
    stage that is not there and for a COPY without a destination.
    """
    given = build_args or {}
    outer = closed({name: given.get(name) for name in PLATFORM_ARGUMENTS})
    for each in dockerfile.arguments:
        _declare(each, outer, given, Variables(is_closed=True), dockerfile.escape)
    named = {familiar(name): image for name, image in (contexts or {}).items()}
    plan = _Plan(dockerfile, outer, given, named)
    reachable = plan.reachable(target)
    sources = tuple(dict.fromkeys(source for index in sorted(reachable) for source in plan.sources(index)))
    if is_foreign(dockerfile.syntax):
        sources = tuple(Source("", 1, context=name) for name in ("", *named))
        plan.images |= dict.fromkeys(filter(None, named.values()))
        plan.used |= dict.fromkeys(named)
    return Reads(sources, tuple(plan.images), frozenset(_declared(dockerfile)), frozenset(plan.used))


def familiar(name: str) -> str:
    """A name without what is meant anyway; contexts are found by names in this form."""
    return name.lower().removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")


def is_foreign(syntax: str) -> bool:
    """Whether a `# syntax=` line asks for a frontend whose language may be another than Docker's own."""
    return bool(syntax) and re.match(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@]|$)", syntax) is None


class _Plan:
    """The stages of one build with their variables as they are filled in."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        outer: Variables,
        given: Mapping[str, str | None],
        contexts: Mapping[str, str],
    ) -> None:
        self.images: dict[str, None] = {}
        self.used: dict[str, None] = {}
        self._dockerfile = dockerfile
        self._outer = outer
        self._given = given
        self._contexts = contexts
        self._bases = [self._expanded(stage.base, outer) for stage in dockerfile.stages]
        self._whole: set[int] = set()  # stages of which all is wanted, whatever is in them
        self._done: dict[int, tuple[Variables, tuple[Source, ...]]] = {}

    def reachable(self, target: str | None) -> set[int]:
        """Indexes of the stages that the target needs."""
        waiting = self._target(target)
        self._whole.update(waiting)
        reached: set[int] = set()
        while waiting:
            index = waiting.pop()
            if index in reached:
                continue
            reached.add(index)
            if self._replaced(index):
                self._take(self._dockerfile.stages[index].name)
                continue
            base = self._base_stage(index)
            if base is not None:
                waiting.append(base)
            elif name := self._bases[index]:
                self._take(name)
            for name in self._froms(index):
                found = self._stages(name)
                waiting += found
                if not found:
                    self._take(name)
        return reached

    def sources(self, index: int) -> tuple[Source, ...]:
        if not self._replaced(index):
            return self._stage(index)[1]
        stage = self._dockerfile.stages[index]
        return (Source("", stage.line, context=stage.name),) if index in self._whole else ()

    def _take(self, name: str) -> None:
        """Takes note of a name that is no stage's: a context has it, else an image."""
        context = familiar(name)
        if context in self._contexts:
            self.used[context] = None
            name = self._contexts[context]
        if name not in ("", "scratch"):
            self.images[name] = None

    def _replaced(self, index: int) -> bool:
        """Whether a context has the name of the stage: then none of its instructions is run."""
        return self._dockerfile.stages[index].name in self._contexts

    def _whence(self, name: str | None) -> str | None:
        """See Whence."""
        if name is None:
            return ""
        found = self._stages(name)
        if found:
            return self._dockerfile.stages[found[-1]].name if self._replaced(found[-1]) else None
        context = familiar(name)
        return context if context in self._contexts else None

    def _stage(self, index: int) -> tuple[Variables, tuple[Source, ...]]:
        if index not in self._done:
            self._done[index] = self._read(index)
        return self._done[index]

    def _read(self, index: int) -> tuple[Variables, tuple[Source, ...]]:
        base = self._base_stage(index)
        context = self._whence(self._bases[index] or "scratch")
        is_closed = self._bases[index] == "scratch"
        variables = Variables(is_closed=is_closed) if base is None else self._stage(base)[0].copy()
        found = [Source("", self._dockerfile.stages[index].line, context=context)] if context else []
        escape = self._dockerfile.escape
        for each in self._all_instructions(index):
            match each.keyword:
                case "ARG":
                    _declare(each, variables, self._given, self._outer, escape)
                case "ENV":
                    _set_all(each, variables, escape)
                case "COPY" | "ADD":
                    found += _copied(each, variables, self._dockerfile, self._whence)
                case "RUN":
                    found += _mounted(each, variables, escape, self._whence)
        return variables, tuple(found)

    def _all_instructions(self, index: int) -> Iterator[Instruction]:
        """The stage's own, after what its base stage left for those built on it."""
        stages, escape = self._dockerfile.stages, self._dockerfile.escape
        base = self._base_stage(index)
        for each in stages[base].instructions if base is not None else ():
            if each.keyword == "ONBUILD":
                yield instruction(each.text, escape, each.line, each.end)
        yield from stages[index].instructions

    def _base_stage(self, index: int) -> int | None:
        """The nearest stage before it of that name, unless a context has the name."""
        name = (self._bases[index] or "").lower()
        if name in self._contexts:
            return None
        earlier = range(index - 1, -1, -1)
        return next((other for other in earlier if name and self._dockerfile.stages[other].name == name), None)

    def _froms(self, index: int) -> Iterator[str]:
        for each in self._all_instructions(index):
            if each.keyword == "COPY" and (name := each.flag("from")):
                yield name
            elif each.keyword == "RUN":
                yield from (mount["from"] for mount in _mounts(each) if mount.get("from"))

    def _stages(self, name: str) -> list[int]:
        stages = self._dockerfile.stages
        if name.isdigit():
            return [int(name)] if int(name) < len(stages) else []
        return [index for index, stage in enumerate(stages) if stage.name == name.lower()]

    def _target(self, target: str | None) -> list[int]:
        stages = self._dockerfile.stages
        if not target:
            return [len(stages) - 1]
        found = self._stages(target)
        if not found:
            names = [stage.name for stage in stages if stage.name]
            near = difflib.get_close_matches(target.lower(), names, 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"it has {', '.join(names)}"
                if names
                else "name it: FROM image AS name"
            )
            raise StepFailed(f"there is no stage {target}", where=self._dockerfile.file, hint=hint)
        return found[-1:]

    def _expanded(self, text: str, variables: Variables) -> str | None:
        try:
            return expand(text, variables, self._dockerfile.escape)
        except Unknown:
            return None


def _declared(dockerfile: Dockerfile) -> Iterator[str]:
    for each in dockerfile.instructions():
        if each.keyword == "ARG":
            yield from (word.partition("=")[0] for word in words(each.text, dockerfile.escape))


def _declare(
    each: Instruction, variables: Variables, given: Mapping[str, str | None], outer: Variables, escape: str
) -> None:
    """ARG: the given value, else its default, else what an ARG before the first FROM has; a bare one else changes nothing.

    Whether it wins over an ENV before it depends on the version of BuildKit.
    """
    for word in words(each.text, escape):
        name, has_default, default = word.partition("=")
        before = variables.values.get(name)
        if name in given:
            variables.values[name] = given[name]
        elif has_default:
            variables.set(name, default, escape)
        elif name in outer.values:
            variables.values[name] = outer.values[name]
        if name in variables.from_env and variables.values[name] != before:
            variables.values[name] = None


def _set_all(each: Instruction, variables: Variables, escape: str) -> None:
    """ENV: all values of a line see the variables as they were before it."""
    before = variables.copy()
    parts = words(each.text, escape)
    if parts and "=" not in parts[0]:
        name, _, value = each.text.partition(" ")
        pairs = [(name, value.strip())]
    else:
        pairs = [(name, value) for name, _, value in (part.partition("=") for part in parts)]
    for name, value in pairs:
        changed = before.copy()
        changed.set(name, value, escape)
        variables.values[name] = changed.values[name]
        variables.from_env.add(name)


def _copied(each: Instruction, variables: Variables, dockerfile: Dockerfile, whence: Whence) -> Iterator[Source]:
    paths = arguments(each.text)
    if len(paths) < 2:
        raise StepFailed(f"{each.keyword} needs a source and a destination", where=f"{dockerfile.file}:{each.line}")
    context = whence(each.flag("from"))
    if context is not None:
        for source in _paths(each, paths[:-1], variables, dockerfile.escape):
            yield replace(source, context=context)


def _paths(each: Instruction, paths: list[str], variables: Variables, escape: str) -> Iterator[Source]:
    for path in paths:
        if each.heredocs and path.lstrip("0123456789").startswith("<<"):
            continue
        try:
            source = expand(path, variables, escape)
            excluded = tuple(expand(value, variables, escape) for value in each.flag_values("exclude"))
        except Unknown:
            yield Source("", each.line)
            continue
        if each.keyword == "ADD" and _REMOTE.match(source):
            continue
        parents = each.flag("parents")
        if parents is not None and parents.lower() != "false":
            top, has_pivot, pattern = source.partition("/./")
            top, pattern = (top, pattern) if has_pivot else ("", source)
            yield Source(_inside(top), each.line, _inside(pattern), excluded)
        else:
            pattern = _inside(source)
            # What BuildKit makes of a pattern that it cannot read differs from version to version.
            is_sure = is_well_formed(pattern) or not has_wildcards(pattern)
            yield Source(pattern if is_sure else "", each.line, "", excluded)


def _mounted(each: Instruction, variables: Variables, escape: str, whence: Whence) -> Iterator[Source]:
    for mount in _mounts(each):
        context = whence(mount.get("from") or None)
        if context is None:
            continue
        try:
            options = {key: expand(value, variables, escape) for key, value in mount.items()}
        except Unknown:
            yield Source("", each.line, context=context)
            continue
        # A cache begins with what is there, too.
        if options.get("type", "bind").lower() == "bind" or context:
            yield Source(_inside(options.get("source", options.get("src", ""))), each.line, context=context)


def _mounts(each: Instruction) -> Iterator[dict[str, str]]:
    for fields in csv.reader(each.flag_values("mount")):
        yield {key.strip().lower(): value for key, _, value in (field.partition("=") for field in fields)}


def _inside(path: str) -> str:
    """Relative to the context, which no `..` leaves."""
    return clean(f"/{path}").lstrip("/")
