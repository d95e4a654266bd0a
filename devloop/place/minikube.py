"""What only minikube knows: the engine that a profile brings along, and how an image gets into a node that is no container of ours.

Comes in: a context, which minikube names as its profile. Goes out: variables that lead to an engine, or a placer that sends whole images.
Nothing is run where minikube is not installed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from devloop.errors import StepFailed, Unavailable
from devloop.products import Image, Placed
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Processes, Tools


class MinikubePlacer:
    """Sends images as `minikube image load` does: whole, through its cache on disk. For nodes that are virtual machines."""

    def __init__(self, profile: str) -> None:
        self._profile = profile

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Places it; False when the nodes had it. Blocks; cancelled by the scope.

        Raises: StepFailed when minikube does not load it, or says that it did and the nodes have it not.
        """
        if self._has(scope, image.ref, tools):
            return Placed(image.artifact, image.ref, image.image_id, "on the node already"), False
        tools.engine.tag(image.image_id, image.ref)
        # --daemon: never out of a registry, whatever has that name there.
        self._run(scope, tools, "load", "--daemon", image.ref)
        if not self._has(scope, image.ref, tools):
            raise StepFailed(
                f"minikube image load {image.ref} left no image on the node",
                hint=f"is the profile well? `minikube --profile {self._profile} status`",
                where=f"profile {self._profile}",
            )
        return Placed(image.artifact, image.ref, image.image_id, "in full, by minikube image load"), True

    def find(self, image: Image, tools: Tools) -> Placed | None:
        """Nothing: only the engine can bring back what a node lost."""
        return None

    def repository(self, artifact: str) -> str:
        """None: they go to no registry."""
        return ""

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        """Nothing: minikube would take an image from under a pod. The kubelet cleans up when the node's disk fills."""
        return frozenset()

    def _has(self, scope: Scope, ref: str, tools: Tools) -> bool:
        return full_name(ref) in self._run(scope, tools, "ls").split()

    def _run(self, scope: Scope, tools: Tools, *words: str) -> str:
        argv = ["minikube", "--profile", self._profile, "image", *words]
        return tools.processes.run(scope, argv, env=tools.engine.environment()).stdout


def engine_environment(scope: Scope, context: str, processes: Processes) -> Mapping[str, str]:
    """Variables that lead to the engine which the cluster of a context brings along: a minikube profile's; {} for others.

    Runs minikube only where it is installed. Raises: Unavailable when the profile's engine cannot be asked.
    """
    if runtime(scope, context, processes) != "docker":
        return {}
    try:
        done = processes.run(scope, ["minikube", "--profile", context, "docker-env", "--shell=none"])
    except StepFailed as failed:
        raise Unavailable(
            f"minikube profile {context} does not say how to reach its Docker engine",
            hint=f"is it running? `minikube start --profile {context}`",
            evidence=failed.evidence,
        ) from failed
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value.strip('"') for key, equals, value in pairs if equals and key.startswith("DOCKER_")}


def runtime(scope: Scope, context: str, processes: Processes) -> str:
    """What runs the containers of the profile of this name: `docker`, `containerd`, `cri-o`; "" when there is no such profile."""
    if context.startswith(("kind-", "k3d-")) or processes.find("minikube") is None:
        return ""
    listed = processes.run(scope, ["minikube", "profile", "list", "--light", "--output=json"], check=False)
    return _runtimes(listed.stdout).get(context, "")


def _runtimes(listed: str) -> dict[str, str]:
    try:
        profiles = json.loads(listed).get("valid") or []
        return {each["Name"]: str(each["Config"]["KubernetesConfig"]["ContainerRuntime"]) for each in profiles}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # no profiles, said in words
