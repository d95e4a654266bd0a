"""What a Dockerfile's build is told on disk: the Dockerfile itself, its context, the contexts that have names, and their ignore files.

Comes in: an artifact and where its context is. Goes out: `Recipe`. It reads these files and no other, and does not look at what the
contexts hold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.build import dockerfile as dockerfiles
from devloop.build import dockerignore
from devloop.build.sources import Reads, Source, familiar, reads
from devloop.config import model
from devloop.errors import StepFailed


@dataclass(frozen=True)
class Folder:
    """A context: `name` is "" for the one without. `ignore_file`: the one in force, of those that there may be (`ignore_files`)."""

    name: str
    path: Path
    ignore_files: tuple[Path, ...]
    ignore_file: Path | None
    rules: dockerignore.Rules


@dataclass(frozen=True)
class Recipe:
    """An artifact's Dockerfile and ignore rules as they are on disk. `folders`: the context, then the folders with names that are used."""

    file: Path
    dockerfile: dockerfiles.Dockerfile
    folders: tuple[Folder, ...]
    reads: Reads

    @property
    def context(self) -> Path:
        return self.folders[0].path

    def reading_all(self) -> Recipe:
        """The same when all of the context counts."""
        first = min((each.line for each in self.dockerfile.stages), default=1)
        return replace(self, reads=replace(self.reads, sources=(Source("", first), *self.reads.sources)))


def read_recipe(artifact: model.Artifact, context: Path) -> Recipe:
    """Blocks on the disk. Raises: StepFailed with `where`."""
    spec = artifact.docker or model.Docker()
    context = Path(os.path.normpath(context))
    file = Path(os.path.normpath(context / spec.dockerfile))
    shown = _shown(artifact, spec.dockerfile)
    dockerfile = dockerfiles.parse(_text(file, context, shown), shown)
    known = {**spec.build_args, **{each.variable: None for each in artifact.requires}}
    found = reads(dockerfile, spec.target, known, contexts=_images(artifact))
    # One beside the Dockerfile replaces the context's; they are not merged.
    beside = {
        file.with_name(f"{file.name}.dockerignore"): _shown(artifact, f"{spec.dockerfile}.dockerignore"),
        context / ".dockerignore": _shown(artifact, ".dockerignore"),
    }
    folders = [_folder("", context, beside)]
    for name, path in artifact.build_folders.items():
        folder = Path(os.path.normpath(context / path))
        if not folder.is_dir():
            raise StepFailed(
                f"the build context {name} is not a folder", where=str(folder), hint="`docker.buildContexts` names it"
            )
        if familiar(name) in found.contexts:
            ignore = {folder / ".dockerignore": _shown(artifact, os.path.join(path, ".dockerignore"))}
            folders.append(_folder(familiar(name), folder, ignore))
    return Recipe(file, dockerfile, tuple(folders), found)


def context_words(artifact: model.Artifact, context: Path, requires: Mapping[str, str]) -> dict[str, str]:
    """Name → what buildx is told that it stands for. `requires`: variable → ref of the required image."""
    refs = {each.image: requires[each.variable] for each in artifact.requires if each.variable in requires}
    given = artifact.docker.build_contexts if artifact.docker else {}
    images = {name: f"docker-image://{refs.get(image, image)}" for name, image in artifact.build_images.items()}
    folders = {name: os.path.normpath(context / path) for name, path in artifact.build_folders.items()}
    return {**given, **images, **folders}


def _images(artifact: model.Artifact) -> dict[str, str]:
    """Name → the image of the engine that it stands for; "" for what is none, or counts as a required one does."""
    required = {each.image for each in artifact.requires}
    images = {name: image for name, image in artifact.build_images.items() if image not in required}
    return {**dict.fromkeys(artifact.docker.build_contexts if artifact.docker else (), ""), **images}


def _folder(name: str, path: Path, ignore_files: Mapping[Path, str]) -> Folder:
    """`ignore_files`: those that there may be, each with its name for people; the first that is there is in force."""
    in_force = next((each for each in ignore_files if each.is_file()), None)
    rules = dockerignore.parse("")
    if in_force is not None:
        rules = dockerignore.parse(_text(in_force, path, ignore_files[in_force]), ignore_files[in_force])
    return Folder(name, path, tuple(ignore_files), in_force, rules)


def _shown(artifact: model.Artifact, path: str) -> str:
    """As people know it: from the folder of the configuration."""
    return Path(os.path.normpath(os.path.join(artifact.context, path))).as_posix()


def _text(file: Path, context: Path, shown: str) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        if not context.is_dir():
            raise StepFailed(
                "the build context is not a folder", where=str(context), hint="`context` names it"
            ) from None
        others = sorted(each.name for each in context.iterdir() if "dockerfile" in each.name.lower() and each.is_file())
        hint = (
            f"there is {', '.join(others)}: name it in `docker.dockerfile`"
            if others
            else "add one, or set `docker.dockerfile`"
        )
        raise StepFailed("there is no Dockerfile", where=shown, hint=hint) from None
    except OSError as exc:
        raise StepFailed(f"cannot be read: {exc.strerror}", where=shown) from exc
