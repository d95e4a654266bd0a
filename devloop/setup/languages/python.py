"""Programs in Python: Django, FastAPI, Flask, or a file that is run.

Comes in: a folder. Goes out: its recipe, or None. What is run is found in the text: nothing is imported.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from devloop.setup.languages.recipe import (
    USER,
    Recipe,
    cached,
    command,
    dockerfile,
    expose,
    pinned,
    port,
    relative,
    sources,
)
from devloop.setup.walk import Tree, join

MARKERS = ("requirements.txt", "pyproject.toml", "Pipfile", "manage.py", "app.py", "main.py", "server.py")
_ENTRIES = ("app.py", "main.py", "server.py", "wsgi.py", "asgi.py", "run.py", "application.py", "__main__.py")
_DEFAULT = "3.13"
_PORTS = (
    r"\bport\s*=\s*(?:int\()?(\d{2,5})\b",
    r"(?i)[\"']PORT[\"']\s*,\s*[\"']?(\d{2,5})\b",
    r"Server\(\s*\([^,()]*,\s*(\d{2,5})\s*\)",
    r"(?m)^PORT\s*=\s*(\d{2,5})\b",
)
_FROM_PYPROJECT = (
    "python3 -c \"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project'].get('dependencies', []), sep='\\n')\" "
    "> /tmp/requirements.txt && pip install -r /tmp/requirements.txt"
)
_IGNORED = ("**/__pycache__", "**/.venv", "**/venv", "**/.pytest_cache")


def recipe(tree: Tree, folder: str) -> Recipe | None:
    """How to build and run the folder's program."""
    wants = _dependencies(tree, folder)
    found = _entry(tree, folder, wants)
    if found is None:
        return None
    words, ports = found
    install = _install(tree, folder)
    if words[0] == "uvicorn" and not re.search(r"uvicorn|fastapi\[(standard|all)\]", wants):
        install.append(cached("/root/.cache/pip", "pip install uvicorn"))
    text = dockerfile(
        "Python",
        f"FROM python:{_version(tree, folder)}-slim",
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1",
        "WORKDIR /app",
        "",
        *(["# Dependencies first: they are installed anew only when they change.", *install] if install else []),
        "",
        "COPY . .",
        f"USER {USER}",
        expose(ports),
        command(*words),
    )
    return Recipe("Python", text, ports, _IGNORED)


def _version(tree: Tree, folder: str) -> str:
    files = (".python-version", "runtime.txt", "pyproject.toml")
    return pinned(tree, folder, files, r"(?:^|requires-python\s*=\s*[\"'](?:==|~=)\s*|python-)(3\.\d+)") or _DEFAULT


def _dependencies(tree: Tree, folder: str) -> str:
    return "\n".join(tree.read(folder, each).lower() for each in ("requirements.txt", "pyproject.toml", "Pipfile"))


def _install(tree: Tree, folder: str) -> list[str]:
    cache = "/root/.cache/pip"
    if tree.has(folder, "uv.lock"):
        sync = "pip install uv && uv sync --frozen --no-dev --no-install-project"
        return ["COPY pyproject.toml uv.lock ./", cached("/root/.cache", sync), "ENV PATH=/app/.venv/bin:$PATH"]
    if tree.has(folder, "requirements.txt"):
        return ["COPY requirements.txt ./", cached(cache, "pip install -r requirements.txt")]
    if tree.has(folder, "poetry.lock"):
        sync = "pip install poetry && POETRY_VIRTUALENVS_CREATE=false poetry install --no-root --only main"
        return ["COPY pyproject.toml poetry.lock ./", cached("/root/.cache", sync)]
    if tree.has(folder, "Pipfile.lock"):
        return ["COPY Pipfile Pipfile.lock ./", cached(cache, "pip install pipenv && pipenv sync --system")]
    project = _toml(tree.read(folder, "pyproject.toml")).get("project")
    if isinstance(project, dict) and project.get("dependencies"):
        return ["COPY pyproject.toml ./", cached(cache, _FROM_PYPROJECT)]
    return []


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _entry(tree: Tree, folder: str, wants: str) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """The command, and the ports that it listens on."""
    if tree.has(folder, "manage.py") and "django" in wants + tree.read(folder, "manage.py").lower():
        return ("python3", "manage.py", "runserver", "0.0.0.0:8000"), (8000,)
    texts = dict(sources(tree, folder, ".py"))
    for file, text in texts.items():
        app = re.search(r"(?m)^(\w+)\s*(?::\s*\w+\s*)?=\s*(FastAPI|Starlette|Flask|Quart)\(", text)
        if app:
            return _framework(relative(file, folder), app[1], app[2], port([text], *_PORTS) or (8000,), wants)
    for name in _ENTRIES:
        if tree.has(folder, name):
            text = texts.get(join(folder, name), "")
            return ("python3", name), port([text], *_PORTS) or port(texts.values(), *_PORTS)
    return None


def _framework(
    file: str, app: str, kind: str, ports: tuple[int, ...], wants: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    number = str(ports[0])
    if kind in ("FastAPI", "Starlette"):
        return ("uvicorn", f"{module}:{app}", "--host", "0.0.0.0", "--port", number), ports
    if kind == "Flask" and "gunicorn" in wants:
        return ("gunicorn", "--bind", f"0.0.0.0:{number}", f"{module}:{app}"), ports
    word = kind.lower()
    return ("python3", "-m", word, "--app", f"{module}:{app}", "run", "--host", "0.0.0.0", "--port", number), ports
