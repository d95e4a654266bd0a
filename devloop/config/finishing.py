"""What the configuration says of rendered manifests before they are applied; a part of `model`, which has all its names.

Comes in: nothing. Goes out: where images stand in kinds that devloop does not know, and what `dev` has otherwise than the manifests say.
No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass

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
