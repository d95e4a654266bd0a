"""What a kustomization reads: the files that it and all it is built on name.

Comes in: its folder. Goes out: files and folders that decide what `kustomize build` prints, there already or not. It follows the
kustomization API (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/), fetches nothing that is remote, and takes
a broken file as it is: what is wrong with it is for kustomize to say.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devloop.render import documents

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REMOTE = re.compile(
    r"^[a-z+]+://|^git@|^[\w.-]+\.[a-z]{2,}[:/].*(//|\?ref=|\.git|/.*/)|\?ref=|\?version=", re.IGNORECASE
)


@dataclass
class Closure:
    """`files`: named files; `resources`: those of them that hold whole objects. `trees`: folders of which everything counts
    (charts). `definitions`: kustomization files of every folder met, under each name that they may have. `main`: the one that
    was asked for, if it exists.
    """

    files: set[Path] = field(default_factory=set)
    resources: set[Path] = field(default_factory=set)
    trees: set[Path] = field(default_factory=set)
    definitions: set[Path] = field(default_factory=set)
    main: Path | None = None
    has_charts: bool = False

    def holds(self, path: Path) -> bool:
        """Whether the path counts; looks at no disk."""
        return path in self.files or path in self.definitions or any(tree in path.parents for tree in self.trees)


def closure(folder: Path) -> Closure:
    """All that building `folder` reads, as the disk is now. Blocks on the disk; never fails."""
    found = Closure()
    _visit(folder, found, set())
    found.main = _file_of(folder)
    return found


def _file_of(folder: Path) -> Path | None:
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _visit(folder: Path, found: Closure, seen: set[Path]) -> None:
    if folder in seen:
        return
    seen.add(folder)
    found.definitions.update(folder / name for name in NAMES)
    file = _file_of(folder)
    content = _content(file) if file else {}
    for entry in _resources(content):
        path = _normal(folder, entry)
        if path.is_dir():
            _visit(path, found, seen)
        elif path.is_file() or not _REMOTE.search(entry):
            found.files.add(path)
            found.resources.add(path)
            if not path.exists():
                found.definitions.update({path, *(path / name for name in NAMES)})  # it may become either
    for entry in _plugins(content):
        path = _normal(folder, entry)
        if path.is_dir():
            _visit(path, found, seen)
        else:
            found.files.add(path)
            found.files.update(_named_in_plugin(path))
    found.files.update(_normal(folder, entry) for entry in _files(content))
    _charts(folder, content, found)


def _content(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    parsed, _ = documents.parse(text, file.name)
    return parsed[0].value if parsed and isinstance(parsed[0].value, dict) else {}


def _resources(content: dict[str, Any]) -> Iterator[str]:
    for key in ("resources", "bases", "components"):
        yield from _texts(content.get(key))


def _plugins(content: dict[str, Any]) -> Iterator[str]:
    """Configurations of generators and transformers: paths, or YAML in place."""
    for key in ("generators", "transformers", "validators"):
        yield from (entry for entry in _texts(content.get(key)) if _is_path(entry))


def _files(content: dict[str, Any]) -> Iterator[str]:
    for key in ("crds", "configurations"):
        yield from _texts(content.get(key))
    yield from (entry for entry in _texts(content.get("patchesStrategicMerge")) if _is_path(entry))
    for key in ("patches", "patchesJson6902", "replacements"):
        for entry in _mappings(content.get(key)):
            yield from _texts([entry.get("path")])
    openapi = content.get("openapi")
    yield from _texts([openapi.get("path")] if isinstance(openapi, dict) else None)
    for key in ("configMapGenerator", "secretGenerator"):
        for entry in _mappings(content.get(key)):
            yield from (text.partition("=")[2] or text for text in _texts(entry.get("files")))
            yield from _texts(entry.get("envs"))
            yield from _texts([entry.get("env")])


def _charts(folder: Path, content: dict[str, Any], found: Closure) -> None:
    """Local charts that are inflated, below `chartHome`, and their values files."""
    settings = content.get("helmGlobals")
    home = settings.get("chartHome") if isinstance(settings, dict) else None
    for chart in (*_mappings(content.get("helmCharts")), *_mappings(content.get("helmChartInflationGenerator"))):
        found.has_charts = True
        name = chart.get("name") or chart.get("chartName")
        parent = chart.get("chartHome") or home or "charts"
        if isinstance(name, str) and isinstance(parent, str):
            found.trees.add(_normal(folder, f"{parent}/{name}"))
        values = [chart.get("valuesFile"), chart.get("values")]
        for each in (*_texts(values), *_texts(chart.get("additionalValuesFiles"))):
            if _is_path(each):
                found.files.add(_normal(folder, each))


def _named_in_plugin(file: Path) -> Iterator[Path]:
    """Files that a plugin's configuration names in any field: which fields these are is the plugin's own affair."""
    for text in _all_texts(_content(file)) if file.is_file() else ():
        path = text.partition("=")[2] or text
        if _is_path(path) and len(path) < 512 and _normal(file.parent, path).is_file():
            yield _normal(file.parent, path)


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _all_texts(each)


def _is_path(text: str) -> bool:
    return bool(text) and "\n" not in text and ": " not in text and "\0" not in text


def _normal(folder: Path, entry: str) -> Path:
    """The path without `..`, like kustomize's, which does not look through links for it."""
    return Path(os.path.normpath(folder / entry))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, str) and each)


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))
