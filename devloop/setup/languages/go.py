"""Programs in Go: a module's main packages, each an image.

Comes in: a folder. Goes out: its recipes. Built without cgo, so that the image holds the program alone.
"""

from __future__ import annotations

import re

from devloop.setup.languages.recipe import USER, Recipe, cached, command, dockerfile, expose, port, relative, sources
from devloop.setup.walk import Tree, below, parent

MARKERS = ("go.mod",)
_VERSION = (1, 26)  # newer than what most modules ask for, which Go allows
_PORTS = (
    r"[\"'`](?:[\w.]*):(\d{2,5})[\"'`]",
    r"(?i)\bport\w*\s*(?::=|=)\s*[\"'`]?:?(\d{2,5})\b",
)


def recipes(tree: Tree, folder: str) -> list[Recipe]:
    """One for each main package; of one that is the module's only one, the Dockerfile lies beside go.mod."""
    mains = [each for each in _mains(tree, folder) if not _is_tool(relative(each, folder))]
    return [_recipe(tree, folder, each, is_only=len(mains) == 1) for each in mains]


def _mains(tree: Tree, folder: str) -> list[str]:
    texts = sources(tree, folder, ".go")
    found = {parent(file) for file, text in texts if re.search(r"(?m)^package main\s*(//.*)?$", text)}
    return sorted(found)


def _is_tool(package: str) -> bool:
    return any(each in ("tools", "hack", "scripts", "examples", "internal") for each in package.split("/"))


def _recipe(tree: Tree, folder: str, package: str, *, is_only: bool) -> Recipe:
    texts = [text for file, text in sources(tree, folder, ".go") if below(file, package)]
    ports = port(texts, *_PORTS) or port((text for _, text in sources(tree, folder, ".go")), *_PORTS)
    path = "." if package == folder else f"./{relative(package, folder)}"
    text = dockerfile(
        "Go",
        f"FROM golang:{_version(tree.read(folder, 'go.mod'))} AS build",
        "WORKDIR /src",
        "",
        *_modules(tree, folder),
        "COPY . .",
        f"ARG CGO_ENABLED=0\nRUN --mount=type=cache,target=/go/pkg/mod "
        f"--mount=type=cache,target=/root/.cache/go-build go build -o /out/app {path}",
        "",
        "FROM gcr.io/distroless/static:nonroot",
        "COPY --from=build /out/app /app",
        f"USER {USER}",
        expose(ports),
        command("/app"),
    )
    name = "Dockerfile" if is_only or path == "." else f"{path[2:]}/Dockerfile"
    return Recipe("Go", text, ports, name=name)


def _modules(tree: Tree, folder: str) -> list[str]:
    if "require" not in tree.read(folder, "go.mod") or tree.has(folder, "vendor/modules.txt"):
        return []
    return [
        "# Modules first: they are fetched anew only when they change.",
        "COPY go.mod go.sum ./",
        cached("/go/pkg/mod", "go mod download"),
        "",
    ]


def _version(module: str) -> str:
    found = re.search(r"(?m)^go (\d+)\.(\d+)", module)
    wanted = max(_VERSION, (int(found[1]), int(found[2]))) if found else _VERSION
    return ".".join(map(str, wanted))
