"""Plain manifests: YAML and JSON files, globs and folders, and pinned URLs.

Comes in: the patterns of a unit. Goes out: its objects as the files say, each with `file:line`. A folder means the `.yaml`, `.yml`
and `.json` files directly in it, as for `kubectl apply -f`; so does one that a wildcard meets, and `**` goes deeper. It neither fills
in nor checks fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from devloop import globs
from devloop.config import model
from devloop.errors import Problem, StepFailed
from devloop.products import Inputs, Manifest
from devloop.render import documents, fetched, objects
from devloop.render.files import listed, read, shown
from devloop.scope import Scope
from devloop.stages import Tools

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_MAGIC = frozenset("*?[")


class ManifestsRenderer:
    """Renders units that name manifests."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """The files that the patterns name now, and whether a path would be one of them. Blocks on the disk."""
        patterns = _patterns(unit)
        named = [_Pattern(base, pattern) for pattern in patterns]
        files = {path for each in named for path in each.files()}
        return listed(
            base,
            files,
            roots=globs.roots(base, patterns),
            matches=lambda path: any(each.names(path) for each in named),
            why=lambda path: _why(path, named),
            values=(("manifests", "\n".join(unit.manifests)),),
        )

    def render(
        self,
        scope: Scope,
        unit: model.Unit,
        base: Path,
        namespace: str,
        tools: Tools,
    ) -> tuple[Manifest, ...]:
        """Reads the files, and fetches what is pinned and not kept yet. Blocks; cancelled by the scope.

        Raises: StepFailed with every problem, the first one's place as `where`; Unavailable.
        """
        manifests: list[Manifest] = []
        problems: list[Problem] = []
        for name, text in self._texts(scope, unit, base):
            parsed, wrong = documents.parse(text, name)
            found_here, wrong_here = objects.manifests(parsed, name)
            manifests += found_here
            problems += sorted([*wrong, *wrong_here], key=lambda each: each.line)
        return objects.checked(manifests, problems)

    def _texts(self, scope: Scope, unit: model.Unit, base: Path) -> Iterator[tuple[str, str]]:
        """Each file and URL once, with what it holds."""
        files: dict[Path, None] = {}
        for pattern in _patterns(unit):
            found = _Pattern(base, pattern).files()
            if not found:
                raise StepFailed(
                    f"no file matches `{pattern}`",
                    where=f"deploy/{unit.name}",
                    hint="paths are relative to the folder of the configuration",
                )
            files |= dict.fromkeys(found)
        for path in files:
            yield shown(path, base), read(path, shown(path, base))
        for entry in dict.fromkeys(filter(model.is_url, unit.manifests)):
            yield entry.partition("#")[0], fetched.text(scope, entry)


def _patterns(unit: model.Unit) -> tuple[str, ...]:
    return tuple(entry for entry in unit.manifests if not model.is_url(entry))


def to_yaml(found: Iterable[dict[str, Any]]) -> str:
    """The objects as one YAML stream that kubectl reads back the same, fields in the order that people write them in."""
    return "".join(
        "---\n" + yaml.dump(each, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000) for each in found
    )


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, text of many lines as a block, and quotes text that kubectl would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None if documents.reads_as_text(value) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _Dumper.text)


def _why(path: Path, named: Iterable[_Pattern]) -> str:
    entry = next((each.text for each in named if each.names(path)), None)
    return f"`manifests` names it: {entry}" if entry is not None else "no entry of `manifests` names it"


class _Pattern:
    """One entry of `manifests`. `text`: as it stands there."""

    def __init__(self, base: Path, pattern: str) -> None:
        self.text = pattern
        self._base = base
        self._matches = globs.matcher(base, (pattern,))
        self._is_plain = not _MAGIC & set(pattern)
        self._path = next(iter(globs.roots(base, (pattern,))))
        # How many parts a path has that the pattern itself names; unknown with `**`, which names any depth.
        parts = [part for part in pattern.split("/") if part]
        is_deep = "**" in parts
        self._depth = None if is_deep else len(self._path.parts) + _wildcard_parts(pattern)

    def files(self) -> list[Path]:
        """Those that exist, sorted."""
        return [path for path in globs.expand(self._base, (self.text,)) if self.names(path)]

    def names(self, path: Path) -> bool:
        """Whether the path, if it is a file, is one that the pattern names. Looks at no disk."""
        if self._is_plain and path == self._path:
            return True
        if path.suffix not in _SUFFIXES or not self._matches(path):
            return False
        return self._depth is None or len(path.parts) <= self._depth + 1


def _wildcard_parts(pattern: str) -> int:
    """How many parts of the pattern follow the first with a wildcard, that one included."""
    parts = [part for part in pattern.split("/") if part and part != "."]
    first = next((index for index, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
    return len(parts) - first
