"""Helm charts: the images that their values and templates name, and values files for other places.

Comes in: a tree. Goes out: one record a chart. Charts within charts belong to the outer one, and libraries deploy nothing. It never runs
helm, so an image whose name is put together from several values is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devloop.config.names import to_label
from devloop.setup import objects, reading
from devloop.setup.records import Chart, Use
from devloop.setup.walk import Tree, below, join, parent

_IMAGE = re.compile(r"^\s*-?\s*image:\s*[\"']?([^\s\"'{}]+)(?::\{\{.*)?[\"']?\s*$", re.MULTILINE)
_VALUES = re.compile(r"values[-_.](?P<word>[\w-]+)\.ya?ml|(?P<bare>[\w-]+)[-_.]values\.ya?ml")
_FIRST = ("dev", "development", "local")
_DEEPEST = 5


def find(tree: Tree) -> tuple[Chart, ...]:
    """The charts that can be deployed."""
    folders = [folder for folder in tree.folders if tree.has(folder, "Chart.yaml")]
    outer = [each for each in folders if not any(each != other and below(each, other) for other in folders)]
    return tuple(chart for each in outer if (chart := _chart(tree, each)))


def _chart(tree: Tree, folder: str) -> Chart | None:
    about = reading.mapping(tree, join(folder, "Chart.yaml"))
    if about.get("type") == "library":
        return None
    name = to_label(str(about.get("name") or folder.rpartition("/")[2]))
    files = dict(_values_files(tree, folder))
    default = next((each for each in _FIRST if each in files), None)
    values = (files.pop(default),) if default else ()
    return Chart(name, folder, values, files, tuple(_uses(tree, folder, values)))


def _values_files(tree: Tree, folder: str) -> Iterator[tuple[str, str]]:
    """Word → file: in the chart, beside it, and in a folder `values` of the chart."""
    for place in dict.fromkeys((parent(folder), folder)):
        for each in tree.names(place):
            found = _VALUES.fullmatch(each)
            if found:
                yield to_label(found["word"] or found["bare"]), join(place, each)
    for each in tree.names(join(folder, "values")):
        if each.endswith((".yaml", ".yml")):
            yield to_label(each.rpartition(".")[0]), join(folder, "values", each)


def _uses(tree: Tree, folder: str, values: tuple[str, ...]) -> Iterator[Use]:
    merged: dict[str, Use] = {}
    for file in (join(folder, "values.yaml"), *values):
        for place, image in _images(reading.mapping(tree, file), ""):
            found = objects.use(image, file, container=place)
            if found:
                merged[place] = found
    yield from merged.values()
    for file in tree.files:
        if below(file, join(folder, "templates")) and file.endswith(objects.SUFFIXES):
            for image in _IMAGE.findall(tree.read(file)):
                found = objects.use(image, file)
                if found:
                    yield found


def _images(value: Mapping[str, Any], path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Where values name an image: `image: NAME`, or `repository` with a `registry` before it."""
    for key, each in value.items():
        here = f"{path}.{key}".lstrip(".")
        if key.lower().endswith("image") and isinstance(each, str) and each:
            yield path or key, each
        elif key == "repository" and isinstance(each, str) and each and "://" not in each:
            registry = value.get("registry")
            yield path, f"{registry}/{each}" if isinstance(registry, str) and registry else each
        elif isinstance(each, dict) and depth < _DEEPEST:
            yield from _images(each, here, depth + 1)
