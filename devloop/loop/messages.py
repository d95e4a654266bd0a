"""What the loop is told and what it answers: frozen records only.

Comes in: nothing. Goes out: the messages that `decide` learns from and the actions that the shell carries out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from devloop.graph import Graph, Node
from devloop.products import Product


@dataclass(frozen=True)
class Update:
    """From a save until all that it changes is ready, or nothing more can be done about it."""

    number: int
    changed: tuple[str, ...]
    targets: frozenset[str]


@dataclass(frozen=True)
class Changed:
    """Inputs have other digests now. `inputs`: target → digest; `files`: what was saved; `reasons`: target → why, in words."""

    inputs: Mapping[str, str]
    files: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconfigured:
    """The configuration makes another graph. `inputs`: of all its targets."""

    graph: Graph
    inputs: Mapping[str, str]
    files: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    builds: int = 0


@dataclass(frozen=True)
class Done:
    """A step succeeded; for a node that is not running: what had failed came good by itself."""

    node: Node
    digest: str
    product: Product


@dataclass(frozen=True)
class Failed:
    node: Node
    digest: str


@dataclass(frozen=True)
class Cancelled:
    node: Node


@dataclass(frozen=True)
class Asked:
    """`retry`: try what failed again, all of it or `targets` only. `quit`: stop what runs, start nothing more."""

    what: Literal["retry", "quit"]
    targets: frozenset[str] = frozenset()
    why: str = "asked for"


Message = Changed | Reconfigured | Done | Failed | Cancelled | Asked


@dataclass(frozen=True)
class Start:
    """Begin a step. For an apply, `basis` says artifact → ref to write, and `holds` whose objects are to be left as they are.

    `inputs`: the digest of what the target reads, as the decision knows it; a build of anything else is not this one. `rivals`: for an
    apply, units before it that render an object which it renders too.
    """

    node: Node
    digest: str
    reason: str
    update: int
    basis: Mapping[str, str] = field(default_factory=dict)
    holds: frozenset[str] = frozenset()
    inputs: str = ""
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cancel:
    node: Node
    reason: str


@dataclass(frozen=True)
class Forget:
    """The target is no longer part of the project, and nothing of it is running."""

    target: str


@dataclass(frozen=True)
class UpdateStarted:
    update: Update


@dataclass(frozen=True)
class UpdateEnded:
    update: Update
    is_ready: bool


Action = Start | Cancel | Forget | UpdateStarted | UpdateEnded
