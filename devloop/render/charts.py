"""What a chart in a folder is made of, and which of its files can decide what it renders.

Comes in: a chart's folder. Goes out: its dependencies, the files that helm loads, and a rule for each path. Helm loads whatever
.helmignore lets through, but what is neither a template nor values can only be seen by templates that ask for it (`.Files`); where it
cannot be told what they ask for, everything counts. It starts no program and changes nothing.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devloop.render.helmignore import ignored

_ALWAYS = frozenset({"Chart.yaml", "requirements.yaml", "values.yaml", "values.schema.json"})
_LOCKS = frozenset({"Chart.lock", "requirements.lock"})
# A mention of the files, and the forms of it that say which: `.Files.Get "a"`, or a variable that ranges over `.Files.Glob "a/*"`.
_MENTION = re.compile(r"""[."`]Files\b""")
_LITERAL = re.compile(r"""\.Files\.(?:Get|GetBytes|Lines|Glob)\s+(?:"([^"\\]*)"|`([^`]*)`)""")
_VARIABLE = re.compile(r"\.Files\.(?:Get|GetBytes|Lines)\s+\$(\w+)\b")
_RANGE = re.compile(r"""range\s+\$(\w+)\s*,\s*\$\w+\s*:=\s*\$?\.Files\.Glob\s""")
_UNREADABLE_GLOB = frozenset("[]{}\\")


@dataclass(frozen=True)
class Dependency:
    """An entry of `dependencies`. `folder`: of a `file://` one."""

    name: str
    version: str
    repository: str
    folder: Path | None = None


@dataclass(frozen=True)
class Asked:
    """The files that templates ask for. `is_all`: it cannot be told which."""

    is_all: bool = False
    globs: frozenset[str] = frozenset()

    def joined(self, other: Asked) -> Asked:
        return Asked(self.is_all or other.is_all, self.globs | other.globs)

    def covers(self, path: str) -> bool:
        """Whether a path, relative to a chart, or something below it may be asked for."""
        return self.is_all or any(_glob(each).fullmatch(path) or each.startswith(f"{path}/") for each in self.globs)


def dependencies(chart: Path) -> tuple[Dependency, ...]:
    """What Chart.yaml, or a requirements.yaml of old, names; nothing where these cannot be read: helm says why. Blocks on the disk."""
    found = []
    for name in ("Chart.yaml", "requirements.yaml"):
        listed = _mapping(chart / name).get("dependencies")
        for each in listed if isinstance(listed, list) else []:
            if isinstance(each, dict) and each.get("name"):
                repository = str(each.get("repository") or "")
                folder = None
                if repository.startswith("file://"):
                    folder = Path(os.path.normpath(chart / repository.removeprefix("file://")))
                found.append(Dependency(str(each["name"]), str(each.get("version") or ""), repository, folder))
    return tuple(found)


def lacking(chart: Path) -> tuple[Dependency, ...]:
    """The dependencies that have to be supplied: those that are not in `charts`, and those whose folder may be newer than an archive
    there; a folder there stays. Blocks on the disk.
    """
    in_folders = {str(_mapping(each).get("name")) for each in chart.glob("charts/*/Chart.yaml")}
    missing = [each for each in dependencies(chart) if each.name not in in_folders]
    return tuple(each for each in missing if each.folder is not None or not archives(chart, each.name))


def archives(chart: Path, name: str) -> list[Path]:
    """The archives in `charts` that hold a chart of this name. Blocks on the disk."""
    is_one = re.compile(rf"{re.escape(name)}-v?\d.*\.tgz").fullmatch
    return [each for each in chart.glob("charts/*.tgz") if is_one(each.name)]


def locked(chart: Path, wanted: Dependency) -> str:
    """The version of a dependency that Chart.lock says, else what Chart.yaml asks for. Blocks on the disk."""
    for name in sorted(_LOCKS):
        listed = _mapping(chart / name).get("dependencies")
        for each in listed if isinstance(listed, list) else []:
            if isinstance(each, dict) and (each.get("name"), each.get("repository")) == (
                wanted.name,
                wanted.repository,
            ):
                return str(each.get("version") or wanted.version)
    return wanted.version


def loaded(chart: Path) -> list[Path]:
    """The files that helm loads from a chart's folder. Blocks on the disk."""
    is_ignored = ignored(_text(chart / ".helmignore"))
    return sorted(each for each in files(chart) if not is_ignored(each.relative_to(chart).as_posix()))


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder, those behind links to folders too, as helm walks. Blocks on the disk."""
    seen: set[str] = set()
    for here, below, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads up
            below.clear()
            continue
        seen.add(real)
        yield from (Path(here, name) for name in names)


@dataclass(frozen=True)
class Rules:
    """Which paths in a chart's folder count. `has_crds`: whether its definitions are rendered; `has_lock`: whether Chart.lock decides."""

    chart: Path
    is_ignored: Callable[[str], bool]
    asked: Asked
    has_crds: bool
    has_lock: bool

    def matches(self, path: Path) -> bool:
        return self.why_not(path) == ""

    def why_not(self, path: Path) -> str:
        """The rule that keeps a path out that lies in the folder; "" when it counts."""
        name = path.relative_to(self.chart).as_posix()
        if name in (".", ".helmignore"):
            return ""
        if self.is_ignored(name):
            return ".helmignore keeps it out"
        parts = name.split("/")
        while parts[0] == "charts" and len(parts) > 1:
            if parts[1][0] in "_.":
                return "helm takes no chart from a name that begins with `_` or `.`"
            if len(parts) == 2 and not parts[1].endswith(".prov"):
                return ""  # an archive, or what helm stumbles over
            if len(parts) == 2:
                return "no template reads it"
            parts = parts[2:]
        return "" if self._is_read("/".join(parts)) else "no template reads it"

    def _is_read(self, name: str) -> bool:
        head = name.partition("/")[0]
        if name in _ALWAYS or head in ("templates", "charts") or (head == "crds" and self.has_crds):
            return True
        return (name in _LOCKS and self.has_lock) or self.asked.covers(name)

    def is_definition(self, path: Path) -> bool:
        """Whether a change of the path may change the rules, or which charts there are."""
        if path == self.chart:
            return True
        if self.chart not in path.parents:
            return False
        parts = path.relative_to(self.chart).parts
        while parts[0] == "charts" and len(parts) > 2:
            parts = parts[2:]
        return parts[0] in ("charts", "templates", ".helmignore", "values.yaml", *_ALWAYS)


def rules(chart: Path, asked: Asked, *, has_crds: bool) -> Rules:
    """The rules for a chart's folder. Blocks on the disk."""
    has_lock = any(each.folder is None for each in lacking(chart))
    return Rules(chart, ignored(_text(chart / ".helmignore")), asked, has_crds=has_crds, has_lock=has_lock)


def asked_by(chart: Path) -> Asked:
    """What the templates of a chart, and of those in it, ask for; a helper may ask for files of any chart. Blocks on the disk."""
    found = Asked()
    for path in loaded(chart):
        parts = path.relative_to(chart).parts
        if path.suffix == ".tgz" and parts[0] == "charts":
            found = found.joined(asked_in(path))
        elif "templates" in parts:
            found = found.joined(asked_in_text(_text(path)))
        elif path.name == "values.yaml":
            found = found.joined(Asked(is_all=bool(_MENTION.search(_text(path)))))
    return found


def asked_in(archive: Path) -> Asked:
    """The same for a packaged chart; everything when it cannot be read. Blocks on the disk."""
    try:
        with tarfile.open(archive) as tar:
            return _all(asked_in_text(text) for text in _templates(tar))
    except (OSError, tarfile.TarError):
        return Asked(is_all=True)


def asked_in_text(template: str) -> Asked:
    """Which files a template asks for. Pure."""
    mentions = len(_MENTION.findall(template))
    literals = [one or other for one, other in _LITERAL.findall(template)]
    ranged = set(_RANGE.findall(template))
    known = len(literals) + sum(name in ranged for name in _VARIABLE.findall(template))
    if known != mentions or any(_UNREADABLE_GLOB & set(each) for each in literals):
        return Asked(is_all=True)
    return Asked(globs=frozenset(literals))


def _all(found: Iterable[Asked]) -> Asked:
    joined = Asked()
    for each in found:
        joined = joined.joined(each)
    return joined


def _templates(tar: tarfile.TarFile) -> Iterator[str]:
    for member in tar:
        data = tar.extractfile(member) if member.isfile() and "/templates/" in member.name else None
        if data is not None:
            yield data.read().decode("utf-8", "replace")


def _glob(pattern: str) -> re.Pattern[str]:
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _mapping(file: Path) -> dict[str, Any]:
    """A YAML file's mapping; empty where there is none: helm is the one to complain."""
    try:
        value = yaml.safe_load(_text(file))
    except (yaml.YAMLError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
