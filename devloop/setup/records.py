"""What was found in a folder, as frozen data.

Comes in: nothing. Goes out: one record a kind of thing. All paths are relative to the folder, with `/`, and `.` is the folder itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """Something that an image can be made of. `path`: its folder; `dockerfile`: the file, which is in `writes` when it has yet to be
    written. `ports`: what listens there. `image`: the name that something else gives it.
    """

    path: str
    dockerfile: str
    context: str
    ports: tuple[int, ...] = ()
    language: str = ""
    image: str = ""
    writes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Whether its Dockerfile has yet to be written."""
        return self.dockerfile in self.writes


@dataclass(frozen=True)
class Use:
    """An image that something deploys, without its tag. `file`: where it stands; `workload`: `deployment/api`, "" when not known."""

    image: str
    file: str
    workload: str = ""
    container: str = ""
    ports: tuple[int, ...] = ()
    is_pinned: bool = False


@dataclass(frozen=True)
class Manifests:
    """Plain manifests that belong together. `patterns`: as `manifests` of a unit names them."""

    patterns: tuple[str, ...]
    uses: tuple[Use, ...] = ()
    services: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Kustomize:
    """A kustomization with its variants. `path`: what is deployed by default; `others`: name → folder."""

    name: str
    path: str
    others: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()
    services: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Chart:
    """A chart. `values`: files given by default; `others`: name → a values file for another place."""

    name: str
    path: str
    values: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True)
class Findings:
    """All that was found. `project`: a name for it; `notes`: what a person should know."""

    project: str
    sources: tuple[Source, ...] = ()
    manifests: tuple[Manifests, ...] = ()
    kustomize: tuple[Kustomize, ...] = ()
    charts: tuple[Chart, ...] = ()
    compose: str = ""
    notes: tuple[str, ...] = ()
