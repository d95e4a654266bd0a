"""What the configuration says of other projects that belong into its session, as frozen data; a part of `model`.

Comes in: nothing. Goes out: where they are, and which of their profiles are active. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc
from devloop.config.documented import mapping as _mapping


@dataclass(frozen=True)
class GitSource:
    """A git repository at one of its commits."""

    url: str = _doc(
        "The repository, as for `git clone`; a path is relative to this file.",
        examples=["https://example.com/team/db.git"],
        also=("repo",),
        path="path",
    )
    ref: str = _doc(
        "The commit, tag or branch. It is fetched once and kept; `devloop modules --update` fetches tags and branches again.",
        examples=["v1.2.0"],
    )
    path: str = _doc("The folder in it, or the configuration's file.", default=".")


@dataclass(frozen=True)
class PassedProfile:
    """A profile of a required module."""

    shorthand: ClassVar[str] = "name"

    name: str = _doc("Its name.")
    activated_by: tuple[str, ...] = _doc(
        "It is active only if one of these profiles of this file is.", default=(), examples=[["ci"]]
    )


@dataclass(frozen=True)
class RequiredModule:
    """A project whose images, units, tests and ports are part of this one's session. It stays a project of its own in the cluster."""

    shorthand: ClassVar[str] = "path"
    at_most_one: ClassVar[tuple[str, ...]] = ("path", "git")

    path: str | None = _doc(
        "Its folder or file, relative to this file. Default: this file, of which `modules` names other documents.",
        default=None,
        examples=["../db"],
        path="path",
    )
    git: GitSource | None = _doc("It is in a git repository.", default=None)
    modules: tuple[str, ...] = _doc(
        "Only these documents of the file, by their `metadata.name`. Default: all of them.",
        default=(),
        also=("configs",),
    )
    profiles: tuple[PassedProfile, ...] = _doc(
        "Profiles that are active in it, besides those that are by themselves or by `--profile`.",
        default=(),
        examples=[["dev", {"name": "small", "activatedBy": ["laptop"]}]],
        also=("activeProfiles",),
    )
    vars: Mapping[str, str] = _mapping(
        "Values of variables there, as by `--var`, which wins over them.", examples=[{"STAGE": "dev"}]
    )
