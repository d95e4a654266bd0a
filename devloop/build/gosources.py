"""What a Go program is made of, as `go list` tells it.

Comes in: a package, the folder to ask in, the environment of the build. Goes out: its files, and whether a change of a path can mean
other files. Standard library and module cache are left out: they hang on the version of Go and on go.sum. It compiles nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devloop import globs
from devloop.build import local
from devloop.config import model
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import Completed, Tools

# The lists of files in what `go list` prints of a package.
_FILES = (
    *("GoFiles", "CgoFiles", "CFiles", "CXXFiles", "MFiles", "HFiles", "FFiles", "SFiles"),
    *("SwigFiles", "SwigCXXFiles", "SysoFiles", "EmbedFiles"),
)
_ASKED = ",".join(("Dir", "ImportPath", "Standard", "DepOnly", "Module", "Error", "EmbedPatterns", *_FILES))
_SUFFIX = re.compile(r"\.(?:go|c|cc|cpp|cxx|m|h|hh|hpp|hxx|f|F|for|f90|s|S|sx|swig|swigcxx|syso)")
# A superset of the lines that decide what else is compiled: imports, constraints, embeds, and what could hide these.
_DECIDING = re.compile(
    rb'^[ \t]*(?:import\b.*|package\b.*|(?:[\w.]+[ \t]+)?["`][^"`\n]+["`][ \t;]*(?://.*)?|//go:.*|// ?\+build.*|.*#cgo.*|.*(?:/\*|\*/).*)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class GoSources:
    """`folders`: those of the packages; `main`: that of the program; `definitions`: files that decide what belongs to it.

    `version`: of Go. `can_matter`: whether a change of a path asks for a new listing; reads the path where it is one of its Go files.
    """

    files: frozenset[Path]
    folders: frozenset[Path]
    main: Path
    definitions: frozenset[Path]
    version: str
    patterns: Callable[[Path], bool] = field(repr=False)
    can_matter: Callable[[Path], bool] = field(repr=False)


def go_sources(
    scope: Scope, artifact: model.Artifact, package: str, *, folder: Path, env: Mapping[str, str], tools: Tools
) -> GoSources:
    """Two runs of `go`, 0.1 s together. Blocks; cancelled by the scope. Raises: StepFailed with the place; UsageError without go."""
    settings = json.loads(_go(scope, artifact, ["env", "-json"], folder=folder, env=env, tools=tools).stdout)
    outside = tuple(Path(settings[name]) for name in ("GOMODCACHE", "GOROOT") if settings.get(name))
    listed = _go(
        scope, artifact, ["list", "-e", "-deps", f"-json={_ASKED}", package], folder=folder, env=env, tools=tools
    )
    everything = tuple(_objects(listed.stdout))
    for each in everything:
        if problem := each.get("Error"):
            raise _explain(problem, package, folder, artifact)
    packages = [
        each
        for each in everything
        if not each.get("Standard") and not any(Path(each["Dir"]).is_relative_to(other) for other in outside)
    ]
    files = frozenset(Path(each["Dir"], name) for each in packages for key in _FILES for name in each.get(key) or ())
    folders = frozenset(Path(each["Dir"]) for each in packages)
    patterns = _embeds(packages)
    deciding = {each: _signature(each) for each in files if each.suffix == ".go"}
    above = local.ancestors(folders)

    def can_matter(path: Path) -> bool:
        if path in deciding:
            return _signature(path) != deciding[path]
        if path in above or (path in files and not path.exists()):
            return True
        if path.parent in folders and _SUFFIX.fullmatch(path.suffix) and path not in files:
            return not path.name.endswith("_test.go")
        return path not in files and patterns(path)

    return GoSources(
        files,
        folders,
        next((Path(each["Dir"]) for each in packages if not each.get("DepOnly")), folder),
        _definitions(packages, settings, folder),
        settings["GOVERSION"],
        patterns,
        can_matter,
    )


def _go(
    scope: Scope, artifact: model.Artifact, words: list[str], *, folder: Path, env: Mapping[str, str], tools: Tools
) -> Completed:
    # go believes PWD where it is the same folder, and then answers with paths as we know them, links and all.
    done = tools.processes.run(scope, ["go", *words], cwd=folder, env={**env, "PWD": str(folder)}, check=False)
    if done.code != 0:
        raise local.explain(f"go {words[0]}", done, done.tail, folder=folder, artifact=artifact)
    return done


def _explain(problem: Mapping[str, str], package: str, folder: Path, artifact: model.Artifact) -> StepFailed:
    said = problem["Err"].strip().splitlines()
    where = problem.get("Pos") or f"image/{artifact.image}"
    if where.startswith("/") and Path(where).is_relative_to(folder):
        where = Path(where).relative_to(folder).as_posix()
    cause = said[0].removesuffix(":")
    return StepFailed(f"go list: {cause}", where=where, hint=f"go list -deps {package}", evidence=tuple(said[1:]))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        found, end = decoder.raw_decode(text, at)
        yield found
        at = text.find("{", end)


def _embeds(packages: list[dict[str, Any]]) -> Callable[[Path], bool]:
    """Whether a path, existing or not, is named by a `//go:embed`."""
    matchers = [
        globs.matcher(Path(each["Dir"]), [pattern.removeprefix("all:") for pattern in each["EmbedPatterns"]])
        for each in packages
        if each.get("EmbedPatterns")
    ]
    return lambda path: any(matches(path) for matches in matchers)


def _definitions(packages: list[dict[str, Any]], settings: Mapping[str, str], folder: Path) -> frozenset[Path]:
    found = {folder / "go.mod"}
    for each in packages:
        module = each.get("Module") or {}
        module = module.get("Replace") or module
        if module.get("Dir") and Path(each["Dir"]).is_relative_to(module["Dir"]) and module.get("GoMod"):
            found.add(Path(module["GoMod"]))
    if (settings.get("GOMOD") or "/dev/null") != "/dev/null":
        found.add(Path(settings["GOMOD"]))
    found |= {each.with_suffix(".sum") for each in found}
    found |= {each.parent / "vendor/modules.txt" for each in found if each.name == "go.mod"}
    if work := settings.get("GOWORK"):
        found |= {Path(work), Path(f"{work}.sum")} if work != "off" else set()
    return frozenset(found)


def _signature(file: Path) -> tuple[bytes, ...]:
    """What of a Go file decides which other files count; empty when it cannot be read."""
    try:
        return tuple(_DECIDING.findall(file.read_bytes()))
    except OSError:
        return ()
