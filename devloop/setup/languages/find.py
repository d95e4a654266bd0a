"""The language of each folder, and the Dockerfile to offer for it.

Comes in: a tree, and the folders that have Dockerfiles. Goes out: sources with the files to write, and what could not be told. A folder
below one that is an image's already is part of that image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from devloop.setup.languages import go, node, others, python
from devloop.setup.languages.recipe import Recipe
from devloop.setup.records import Source
from devloop.setup.walk import Tree, below, join

# Names that a program's own parts may have, too.
_WEAK = frozenset({"app.py", "main.py", "server.py"})
_ALWAYS_IGNORED = (".git", ".dockerignore", "Dockerfile", "devloop.yaml", "k8s")


def _one(find: Callable[[Tree, str], Recipe | None]) -> Callable[[Tree, str], list[Recipe]]:
    return lambda tree, folder: [each] if (each := find(tree, folder)) else []


# Files that mark a folder → its recipes. The first language that has one wins: a Rails project has a package.json, too.
_LANGUAGES: tuple[tuple[str, tuple[str, ...], Callable[[Tree, str], list[Recipe]]], ...] = (
    ("Go", go.MARKERS, go.recipes),
    ("Java", ("pom.xml",), _one(others.maven)),
    ("Java", ("build.gradle", "build.gradle.kts"), _one(others.gradle)),
    ("Rust", ("Cargo.toml",), _one(others.rust)),
    ("Ruby", ("Gemfile",), _one(others.ruby)),
    (".NET", (".csproj",), _one(others.dotnet)),
    ("Python", ("manage.py",), _one(python.recipe)),
    ("Node", node.MARKERS, _one(node.recipe)),
    ("Python", python.MARKERS, _one(python.recipe)),
)


def find(tree: Tree, built: Iterable[str]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Programs outside of the folders `built`, and notes on those that nobody knows how to start."""
    built, taken = tuple(built), set[str]()
    sources: list[Source] = []
    notes: list[str] = []
    for folder in sorted(tree.folders, key=lambda each: (each != ".", each.count("/"), each)):
        if any(below(folder, each) for each in built):
            continue
        is_inside = any(below(folder, each) for each in taken)
        languages = [
            (word, make)
            for word, markers, make in _LANGUAGES
            if _is_marked(tree, folder, tuple(each for each in markers if not is_inside or each not in _WEAK))
        ]
        recipes = next(filter(None, (make(tree, folder) for _, make in languages)), [])
        if recipes:
            sources += (_source(tree, folder, each) for each in recipes)
            taken.add(folder)
        elif languages and folder != ".":
            notes.append(
                f"{folder}: looks like {languages[0][0]}, but not like a program that can be started; write a Dockerfile for it"
            )
    return tuple(sources), tuple(notes)


def _is_marked(tree: Tree, folder: str, markers: tuple[str, ...]) -> bool:
    return any(name in markers or (markers == (".csproj",) and name.endswith(markers)) for name in tree.names(folder))


def _source(tree: Tree, folder: str, recipe: Recipe) -> Source:
    file = join(folder, recipe.name)
    return Source(
        path=join(folder, recipe.name.rpartition("/")[0] or "."),
        dockerfile=file,
        context=folder,
        ports=recipe.ports,
        language=recipe.language,
        writes=dict(_writes(tree, folder, file, recipe)),
    )


def _writes(tree: Tree, folder: str, file: str, recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield file, recipe.text
    if not tree.has(folder, ".dockerignore"):
        lines = dict.fromkeys((*_ALWAYS_IGNORED, *recipe.ignored))
        yield (
            join(folder, ".dockerignore"),
            "# What is not for the image; an edit of it builds nothing.\n" + "\n".join(lines) + "\n",
        )
