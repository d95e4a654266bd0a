"""What the configuration says of rendered manifests before they are applied; a part of `model`, which has all its names.

Comes in: nothing. Goes out: where images stand in kinds that devloop does not know, and what `dev` has otherwise than the manifests say.
No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc


@dataclass(frozen=True)
class ImagePaths:
    """Where objects of a kind name images. Those of Kubernetes, Knative, Argo, Tekton and KServe are known; a row adds to them.

    A path is `.spec.image`, `.spec.parts[*].image`, `.env[name=WORKER].value`, `.data["worker.image"]`, or `..image` for wherever it
    stands. `.spec.image{repository,tag}` is an image in two fields, `{registry,repository,tag}` one in three.
    """

    kind: str = _doc("The kind of the objects; `*` for every kind.", examples=["MyApp"])
    paths: tuple[str, ...] = _doc("The fields that hold an image.", examples=[[".spec.image"]], minimum=1)
    group: str | None = _doc("Their API group, without the version. Default: any.", default=None)


@dataclass(frozen=True)
class DevOverrides:
    """What `dev` has otherwise than the manifests say, so that a rollout takes no longer than a new container's start. It holds for the
    workloads that run an image of this project. `run`, `render` and `apply` follow the manifests.

    A limit only ever lowers what the manifest says. `fast` is all of them: one replica, a second to end in, probes every second and at
    once, no `minReadySeconds`, and all new pods beside the old ones.
    """

    shorthand: ClassVar[str] = "preset"

    preset: str = _doc("`fast` sets every field that is left out.", default="none", choices=("none", "fast"))
    replicas: int | None = _doc(
        "At most so many replicas, where the manifest says how many and no autoscaler of the unit does.",
        default=None,
        minimum=1,
    )
    termination_grace_period_seconds: int | None = _doc(
        "At most so long may old pods take to end.", default=None, minimum=0
    )
    probe_period_seconds: int | None = _doc(
        "At most so long between two readiness or startup probes, with no initial delay; how long they may fail stays the same. "
        "Liveness probes stay as they are.",
        default=None,
        minimum=1,
    )
    min_ready_seconds: int | None = _doc(
        "At most so long must a pod be ready before it counts.", default=None, minimum=0
    )
    max_surge: int | str | None = _doc(
        "How many new pods a Deployment's rolling update may start beside the old ones. Not where two cannot run at once: with a host's "
        "port or network, or a claim.",
        default=None,
        examples=["100%"],
        minimum=0,
    )
    max_unavailable: int | str | None = _doc(
        "How many old pods it may end before new ones are ready; as `maxSurge`.", default=None, examples=[0], minimum=0
    )
