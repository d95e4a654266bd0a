"""What a kustomization reads: the files that it and all it is built on name.

Comes in: its folder. Goes out: files and folders that decide what `kustomize build` prints, there already or not, and what of it is
remote. It follows the kustomization API (https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/), fetches nothing, and
takes a broken file as it is: what is wrong with it is for kustomize to say.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devloop.render import documents
from devloop.render.files import through
from devloop.render.helmignore import ignored

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REMOTE = re.compile(
    r"^[a-z+]+://|^git@|^[\w.-]+\.[a-z]{2,}[:/].*(//|\?ref=|\.git|/.*/)|\?ref=|\?version=", re.IGNORECASE
)


@dataclass
class Closure:
    """`files`: named files; `resources`: those of them that hold whole objects. `charts`: folders of charts → whether helm leaves a
    path in them out. `definitions`: what decides on the closure itself: kustomization files of every folder met, under each name that
    they may have, plugins, links. `main`: the kustomization that was asked for, if it exists. `remote`: what kustomize fetches.
    """

    files: set[Path] = field(default_factory=set)
    resources: set[Path] = field(default_factory=set)
    charts: dict[Path, Callable[[str], bool]] = field(default_factory=dict)
    definitions: set[Path] = field(default_factory=set)
    remote: set[str] = field(default_factory=set)
    main: Path | None = None
    has_charts: bool = False

    def holds(self, path: Path) -> bool:
        """Whether the path counts; looks at no disk."""
        return path in self.files or path in self.definitions or self.chart_of(path) is not None

    def chart_of(self, path: Path) -> Path | None:
        """The chart that the path is part of."""
        return next(
            (
                chart
                for chart, is_ignored in self.charts.items()
                if chart in path.parents and not is_ignored(path.relative_to(chart).as_posix())
            ),
            None,
        )

    def add(self, other: Closure) -> None:
        """All that the other reads, too; its objects are none of this one's."""
        self.files |= other.files
        self.charts |= other.charts
        self.definitions |= other.definitions
        self.remote |= other.remote
        self.has_charts |= other.has_charts


def closure(folder: Path, base: Path) -> Closure:
    """All that building `folder` reads, as the disk is now. Blocks on the disk; never fails. `base`: links above it are not looked at."""
    found = Closure()
    found.main = _file_of(folder)
    _Walk(found, base, frozenset()).visit(folder)
    return found


def _file_of(folder: Path) -> Path | None:
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


class _Walk:
    """One pass over kustomizations. `above`: folders that are being visited, and that asked for this pass."""

    def __init__(self, found: Closure, base: Path, above: frozenset[Path]) -> None:
        self._found = found
        self._base = base
        self._above = above
        self._seen: set[Path] = set()

    def visit(self, folder: Path) -> None:
        """kustomize takes a folder as what it really is: `..` in it is seen from there."""
        links, folder = through(folder, self._base)
        self._found.definitions.update(links)
        if folder in self._seen or folder in self._above:
            return
        self._seen.add(folder)
        self._found.definitions.update(folder / name for name in NAMES)
        file = _file_of(folder)
        content = next(iter(_mappings(_read(file))), {}) if file else {}
        for key in ("resources", "bases", "components"):
            for entry in _texts(content.get(key)):
                self._resource(folder, entry)
        for key in ("generators", "transformers", "validators"):
            for entry in _texts(content.get(key)):
                self._plugins(folder, entry)
        self._name(folder, _files(content))
        self._charts(folder, content)

    def _resource(self, folder: Path, entry: str) -> None:
        path = _normal(folder, entry)
        if path.is_dir():
            self.visit(path)
        elif not path.is_file() and _REMOTE.search(entry):
            self._found.remote.add(entry)
        else:
            self._found.files.add(path)
            self._found.resources.add(path)
            if not path.exists():
                self._found.definitions.update({path, *(path / name for name in NAMES)})  # it may become either

    def _plugins(self, folder: Path, entry: str) -> None:
        """Configurations of plugins: a file, a folder with a kustomization, or YAML in place. All see paths from this folder."""
        path = _normal(folder, entry)
        if not _is_path(entry):
            plugins = list(_mappings([each.value for each in documents.parse(entry, "")[0]]))
        elif path.is_dir():
            inner = Closure()
            _Walk(inner, self._base, self._above | self._seen).visit(path)
            self._found.add(inner)
            self._found.definitions.update(inner.resources)
            plugins = [each for file in sorted(inner.resources) for each in _mappings(_read(file))]
        elif not path.is_file() and _REMOTE.search(entry):
            self._found.remote.add(entry)
            return
        else:
            self._found.files.add(path)
            self._found.definitions.add(path)
            plugins = list(_mappings(_read(path)))
        for plugin in plugins:
            self._plugin(folder, _lowered(plugin))

    def _plugin(self, folder: Path, plugin: dict[str, Any]) -> None:
        match plugin.get("kind"):
            case "ConfigMapGenerator" | "SecretGenerator":
                self._name(folder, _of_generator(plugin))
            case "PatchTransformer" | "PatchJson6902Transformer" | "PatchStrategicMergeTransformer":
                paths = [plugin.get("path"), *_texts(plugin.get("paths"))]
                self._name(folder, filter(_is_path, _texts(paths)))
            case "ReplacementTransformer":
                self._name(folder, _of_paths(plugin.get("replacements")))
            case "HelmChartInflationGenerator":
                self._chart(folder, plugin, None)
            case _:
                self._found.files.update(_named_anywhere(folder, plugin))

    def _name(self, folder: Path, entries: Iterable[str]) -> None:
        for entry in entries:
            path = _normal(folder, entry)
            if _REMOTE.search(entry) and not path.is_file():
                self._found.remote.add(entry)
            else:
                self._found.files.add(path)

    def _charts(self, folder: Path, content: dict[str, Any]) -> None:
        settings = content.get("helmglobals")
        home = settings.get("charthome") if isinstance(settings, dict) else None
        for chart in (*_mappings(content.get("helmcharts")), *_mappings(content.get("helmchartinflationgenerator"))):
            self._chart(folder, chart, home)

    def _chart(self, folder: Path, chart: dict[str, Any], home: Any) -> None:
        """A chart that is inflated, below `chartHome`, where kustomize also puts what it fetches; and its values files."""
        self._found.has_charts = True
        name, parent = chart.get("name") or chart.get("chartname"), chart.get("charthome") or home or "charts"
        repo, version = (chart.get(key) or chart.get(f"chart{key}") for key in ("repo", "version"))
        repo = repo or chart.get("chartrepourl")
        if isinstance(name, str) and isinstance(parent, str):
            parts = [parent, f"{name}-{version}", name] if repo and version else [parent, name]
            links, path = through(_normal(folder, "/".join(parts)), self._base)
            if repo and not path.is_dir():
                self._found.remote.add(f"{repo} {name} {version or ''}".strip())
            self._found.charts[path] = ignored(_text(path / ".helmignore"))
            self._found.definitions.update({*links, path / ".helmignore"})
        values = [chart.get("valuesfile"), chart.get("values"), *_texts(chart.get("additionalvaluesfiles"))]
        self._name(folder, filter(_is_path, _texts(values)))


def _files(content: dict[str, Any]) -> Iterator[str]:
    for key in ("crds", "configurations"):
        yield from _texts(content.get(key))
    yield from filter(_is_path, _texts(content.get("patchesstrategicmerge")))
    for key in ("patches", "patchesjson6902", "replacements"):
        yield from _of_paths(content.get(key))
    openapi = content.get("openapi")
    yield from _texts([openapi.get("path")] if isinstance(openapi, dict) else None)
    for key in ("configmapgenerator", "secretgenerator"):
        for entry in _mappings(content.get(key)):
            yield from _of_generator(entry)


def _of_generator(entry: dict[str, Any]) -> Iterator[str]:
    yield from (text.partition("=")[2] or text for text in _texts(entry.get("files")))
    yield from _texts(entry.get("envs"))
    yield from _texts([entry.get("env")])


def _of_paths(entries: Any) -> Iterator[str]:
    for entry in _mappings(entries):
        yield from _texts([entry.get("path")])


def _named_anywhere(folder: Path, plugin: dict[str, Any]) -> Iterator[Path]:
    """Files that the configuration of an unknown plugin names in any field: which fields these are is the plugin's own affair."""
    for text in _all_texts(plugin):
        path = text.partition("=")[2] or text
        if _is_path(path) and len(path) < 512 and _normal(folder, path).is_file():
            yield _normal(folder, path)


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _all_texts(each)


def _read(file: Path) -> list[Any]:
    """The documents of a file, field names in lower case; none when it cannot be read."""
    return [_lowered(each.value) for each in documents.parse(_text(file), file.name)[0]]


def _lowered(value: Any) -> Any:
    """With all field names in lower case: kustomize, being written in Go, does not tell them apart."""
    if isinstance(value, dict):
        return {key.lower(): _lowered(each) for key, each in value.items()}
    return [_lowered(each) for each in value] if isinstance(value, list) else value


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


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
