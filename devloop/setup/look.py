"""One look at a folder: everything that a configuration could be made of.

Comes in: a tree. Goes out: findings. Each kind of thing has a module of its own, which this one calls; none knows of another. Reads only.
"""

from __future__ import annotations

from devloop.config.names import to_label
from devloop.setup import charts, dockerfiles, kustomizations, plain
from devloop.setup.compose import read as compose
from devloop.setup.languages import find as languages
from devloop.setup.records import Findings, Source
from devloop.setup.walk import Tree, below


def look(tree: Tree) -> Findings:
    """What the tree holds, and what a person should know of it."""
    made = dockerfiles.find(tree)
    outer = {each.path for each in made} | {each.context for each in made if each.context != "."}
    programs, notes = languages.find(tree, outer)
    found_charts = charts.find(tree)
    kustomized, taken = kustomizations.find(tree)
    composed = compose.find(tree)

    def is_taken(path: str) -> bool:
        in_chart = any(below(path, each.path) for each in found_charts)
        return in_chart or path == composed or path.endswith("package.json") or kustomizations.belongs(path, taken)

    manifests, problems = plain.find(tree, is_taken)
    return Findings(
        project=_name(tree.root.name),
        sources=_without_variants(made) + programs,
        manifests=manifests,
        kustomize=kustomized,
        charts=found_charts,
        compose=composed,
        notes=(*_of_other_tools(tree), *notes, *(f"{each}; left out" for each in problems), *_limits(tree)),
    )


def _of_other_tools(tree: Tree) -> tuple[str, ...]:
    """What is written down already need not be guessed."""
    found = next((each for each in ("skaffold.yaml", "devspace.yaml", "Tiltfile") if each in tree.files), None)
    if found is None:
        return ()
    runs = ", and `devloop dev -f skaffold.yaml` runs it as it is" if found == "skaffold.yaml" else ""
    return (f"there is a {found}: `devloop import {found}` carries over what it says{runs}",)


def _name(folder: str) -> str:
    """A name that Services may have, which begin with a letter."""
    name = to_label(folder) or "app"
    return name if name[0].isalpha() else f"app-{name}"


def _without_variants(made: tuple[Source, ...]) -> tuple[Source, ...]:
    """Of a Dockerfile and its variants for other places in one folder (Dockerfile.prod), the plain one."""
    variants = {"dev", "development", "prod", "production", "test", "ci", "debug", "local", "base"}
    plain_ones = {each.path for each in made if not dockerfiles.word(each.dockerfile)}
    return tuple(
        each for each in made if each.path not in plain_ones or dockerfiles.word(each.dockerfile) not in variants
    )


def _limits(tree: Tree) -> tuple[str, ...]:
    cut = (
        (f"the folder is large: only {len(tree.files)} files were looked at, the nearest first",) if tree.is_cut else ()
    )
    return cut + tuple(f"{each}: cannot be read; left out" for each in tree.unreadable)
