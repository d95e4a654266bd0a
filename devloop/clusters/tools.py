"""The command lines of kind and k3d.

Comes in: a cluster's name and size. Goes out: commands that were run, and what they said. What a tool refuses is told in its own
words. It never looks into a cluster: that is for those who made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from devloop.errors import StepFailed, UsageError
from devloop.scope import Scope
from devloop.stages import Completed, Processes

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
PATIENCE_S = 300
_CAUSE = re.compile(r"^(ERROR: (failed to create cluster: )?|FATA\[\d+\] |ERRO\[\d+\] )(?P<cause>.+)")
TellLine = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """A cluster to make. `workers`: nodes besides the control plane. `has_registry`: whether its nodes pull from a local one."""

    name: str
    workers: int = 0
    has_registry: bool = True


class Tool(Protocol):
    """A program that makes clusters of containers. All methods block; cancelled by the scope. Raises: StepFailed in its words.

    `word`: what it is called by. `brings_registry`: whether it makes and wires the registry itself.
    """

    @property
    def word(self) -> str: ...

    @property
    def brings_registry(self) -> bool: ...

    def context(self, name: str) -> str:
        """The kubeconfig context that it makes."""
        ...

    def labels(self, name: str) -> Mapping[str, str]:
        """What the containers of the cluster's nodes carry."""
        ...

    def adopting(self, name: str) -> str:
        """The command that adds the context to the kubeconfig, for people."""
        ...

    def names(self, scope: Scope) -> tuple[str, ...]:
        """The clusters that there are, devloop's or not."""
        ...

    def create(self, scope: Scope, wanted: Wanted, on_line: TellLine) -> None:
        """Makes it, and waits until its control plane is ready, 300 s at most."""
        ...

    def delete(self, scope: Scope, name: str, on_line: TellLine) -> None:
        """Deletes it, whole or half-made, and its context."""
        ...


@dataclass(frozen=True)
class Kind:
    """https://kind.sigs.k8s.io/docs/user/configuration/. `environment`: leads it to the engine."""

    processes: Processes
    environment: Mapping[str, str] = field(default_factory=dict)
    word: str = "kind"
    brings_registry: bool = False

    def context(self, name: str) -> str:
        return f"kind-{name}"

    def labels(self, name: str) -> Mapping[str, str]:
        return {"io.x-k8s.kind.cluster": name}

    def adopting(self, name: str) -> str:
        return f"kind export kubeconfig --name {name}"

    def names(self, scope: Scope) -> tuple[str, ...]:
        # That there are none is said on the other stream.
        return tuple(self._run(scope, "get", "clusters").stdout.split())

    def create(self, scope: Scope, wanted: Wanted, on_line: TellLine) -> None:
        words = ("create", "cluster", "--name", wanted.name, "--wait", f"{PATIENCE_S}s", "--config", "-")
        with _explaining(self.word, wanted.name):
            self._run(scope, *words, stdin=kind_config(wanted), on_line=on_line)

    def delete(self, scope: Scope, name: str, on_line: TellLine) -> None:
        self._run(scope, "delete", "cluster", "--name", name, on_line=on_line)

    def _run(self, scope: Scope, *words: str, stdin: str = "", on_line: TellLine | None = None) -> Completed:
        given = stdin.encode() if stdin else None
        return self.processes.run(scope, ["kind", *words], env=self.environment, stdin=given, on_line=on_line)


@dataclass(frozen=True)
class K3d:
    """https://k3d.io/stable/usage/commands/. `environment`: leads it to the engine."""

    processes: Processes
    environment: Mapping[str, str] = field(default_factory=dict)
    word: str = "k3d"
    brings_registry: bool = True

    def context(self, name: str) -> str:
        return f"k3d-{name}"

    def labels(self, name: str) -> Mapping[str, str]:
        return {"app": "k3d", "k3d.cluster": name}

    def adopting(self, name: str) -> str:
        return f"k3d kubeconfig merge {name} --kubeconfig-merge-default"

    def names(self, scope: Scope) -> tuple[str, ...]:
        said = self._run(scope, "cluster", "list", "--output", "json").stdout
        try:
            return tuple(str(each["name"]) for each in json.loads(said) or ())
        except (ValueError, TypeError, KeyError) as problem:
            raise StepFailed(
                "k3d lists its clusters in a way that is not understood", evidence=(said[-300:],)
            ) from problem

    def create(self, scope: Scope, wanted: Wanted, on_line: TellLine) -> None:
        # A name below localhost is this machine's everywhere; port 0: whichever is free.
        registry = ("--registry-create", f"{wanted.name}-registry.localhost:127.0.0.1:0") if wanted.has_registry else ()
        words = ("--agents", str(wanted.workers), "--wait", "--timeout", f"{PATIENCE_S}s", *registry)
        with _explaining(self.word, wanted.name):
            self._run(scope, "cluster", "create", wanted.name, *words, on_line=on_line)

    def delete(self, scope: Scope, name: str, on_line: TellLine) -> None:
        self._run(scope, "cluster", "delete", name, on_line=on_line)

    def _run(self, scope: Scope, *words: str, on_line: TellLine | None = None) -> Completed:
        return self.processes.run(scope, ["k3d", *words], env=self.environment, on_line=on_line)


@contextmanager
def _explaining(word: str, name: str) -> Iterator[None]:
    """Puts the cause, which both tools say among much else, into the first line. Raises: StepFailed."""
    try:
        yield
    except StepFailed as failed:
        causes = [found["cause"] for line in failed.evidence if (found := _CAUSE.search(line))]
        cause = causes[-1].partition(': command "')[0] if causes else failed.message
        hint = f"what {word} said is below"
        if "pull" in cause:
            hint = "the engine has to reach the registry of this image, or to have it already (docker load)"
        raise StepFailed(
            f"{word} did not make cluster {name}: {cause}", hint=hint, evidence=failed.evidence
        ) from failed


def kind_config(wanted: Wanted) -> str:
    """The configuration that kind reads. The patch is for node images older than kind 0.27; later ones have it."""
    lines = ["kind: Cluster", "apiVersion: kind.x-k8s.io/v1alpha4"]
    if wanted.has_registry:
        lines += [
            "containerdConfigPatches:",
            "  - |-",
            '    [plugins."io.containerd.grpc.v1.cri".registry]',
            '      config_path = "/etc/containerd/certs.d"',
        ]
    lines += ["nodes:", "  - role: control-plane", *["  - role: worker"] * wanted.workers]
    return "\n".join(lines) + "\n"


def installed(processes: Processes, environment: Mapping[str, str], word: str | None = None) -> tuple[Tool, ...]:
    """The tools that there are, kind first; `word` asks for one. Raises: UsageError when there is none."""
    every: tuple[Tool, ...] = (Kind(processes, environment), K3d(processes, environment))
    found = tuple(tool for tool in every if word in (None, tool.word) and processes.find(tool.word))
    if not found:
        raise UsageError(
            f"{word or 'neither kind nor k3d'} is{' not' if word else ''} installed",
            hint="see https://kind.sigs.k8s.io, or https://k3d.io; devloop uses what you have and installs neither",
        )
    return found


def check_name(name: str) -> None:
    """Raises: UsageError when no tool would take it."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a cluster",
            hint="lower-case letters, digits and `-`, 32 at most, a letter or digit first and last",
        )
