"""Programs in JavaScript and TypeScript, with npm, yarn or pnpm.

Comes in: a folder. Goes out: its recipe, or None. What has a build script and no way to start is taken for a web page and served by nginx.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from devloop.setup.languages.recipe import USER, Recipe, cached, command, dockerfile, expose, pinned, port, sources
from devloop.setup.walk import Tree

MARKERS = ("package.json",)
_DEFAULT = "22"
_PORTS = (
    r"(?i)\bport\b[^\n;]{0,30}?(?:\|\||\?\?|=|:)\s*[\"']?(\d{2,5})\b",
    r"\.listen\(\s*(\d{2,5})\b",
)
_FILES = ("server.js", "index.js", "app.js", "main.js", "src/index.js", "src/server.js")
_IGNORED = ("**/node_modules", "**/npm-debug.log", "**/dist")


def recipe(tree: Tree, folder: str) -> Recipe | None:
    """How to build and run the folder's program."""
    package = _package(tree, folder)
    scripts = package.get("scripts")
    scripts = scripts if isinstance(scripts, dict) else {}
    has_build = isinstance(scripts.get("build"), str)
    start = _start(tree, folder, package, scripts)
    if start is None:
        return _page(tree, folder) if has_build and "vite" in json.dumps(package) else None
    ports = port((text for _, text in sources(tree, folder, ".js", ".mjs", ".cjs", ".ts")), *_PORTS) or (3000,)
    text = dockerfile(
        "Node",
        f"FROM node:{_version(tree, folder, package)}-slim",
        *_install(tree, folder, package),
        "COPY . .",
        "RUN npm run build" if has_build else "",
        f"ENV PORT={ports[0]} HOME=/tmp",
        f"USER {USER}",
        expose(ports),
        command(*start),
    )
    return Recipe("Node", text, ports, _IGNORED)


def _page(tree: Tree, folder: str) -> Recipe:
    text = dockerfile(
        "a page that Vite builds",
        f"FROM node:{_version(tree, folder, _package(tree, folder))}-slim AS build",
        *_install(tree, folder, _package(tree, folder)),
        "COPY . .",
        "RUN npm run build",
        "",
        "FROM nginx:stable",
        "COPY --from=build /app/dist /usr/share/nginx/html",
        expose((80,)),
    )
    return Recipe("Node", text, (80,), _IGNORED)


def _package(tree: Tree, folder: str) -> Mapping[str, Any]:
    try:
        found = json.loads(tree.read(folder, "package.json"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _version(tree: Tree, folder: str, package: Mapping[str, Any]) -> str:
    engines = package.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    said = re.search(r"(\d{2})", wanted) if isinstance(wanted, str) else None
    return pinned(tree, folder, (".nvmrc", ".node-version"), r"^v?(\d{2})") or (said[1] if said else _DEFAULT)


def _start(tree: Tree, folder: str, package: Mapping[str, Any], scripts: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Node itself where that is all, for npm passes signals on late."""
    script = scripts.get("start")
    if isinstance(script, str):
        words = script.split()
        is_plain = words[:1] == ["node"] and not set("&|;<>$*\"'") & set(script)
        return tuple(words) if is_plain else ("npm", "start")
    main = package.get("main")
    names = (main, *_FILES) if isinstance(main, str) else _FILES
    file = next((each for each in names if tree.has(folder, each)), None)
    return ("node", file) if file else None


def _install(tree: Tree, folder: str, package: Mapping[str, Any]) -> list[str]:
    head = ["WORKDIR /app", ""]
    if not any(package.get(each) for each in ("dependencies", "devDependencies", "optionalDependencies")):
        return head
    copied, line = "package.json", cached("/root/.npm", "npm install")
    if tree.has(folder, "pnpm-lock.yaml"):
        copied += " pnpm-lock.yaml"
        line = cached("/root/.local/share/pnpm", "corepack enable && pnpm install --frozen-lockfile")
    elif tree.has(folder, "yarn.lock"):
        copied += " yarn.lock"
        line = cached("/usr/local/share/.cache", "corepack enable && yarn install --frozen-lockfile")
    elif tree.has(folder, "package-lock.json"):
        copied += " package-lock.json"
        line = cached("/root/.npm", "npm ci")
    return [
        *head,
        "# Dependencies first: they are installed anew only when they change.",
        f"COPY {copied} ./",
        line,
        "",
    ]
