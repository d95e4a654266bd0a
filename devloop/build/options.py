"""A Dockerfile's build options as words of the command line, and which of them decide what is built.

Comes in: the options of an artifact. Goes out: words for `docker build` or `docker buildx build`, and values for the digest. How a
build is done (caches, secrets, keys, the builder) is no part of what is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from devloop.config import model
from devloop.errors import StepFailed


def words(
    spec: model.Docker,
    build_args: Mapping[str, str],
    context: Path,
    *,
    contexts: Mapping[str, str] | None = None,
    is_buildx: bool,
    is_podman: bool = False,
) -> tuple[str, ...]:
    """The words, without builder, files and context. `build_args`: the given ones and the refs of required images.

    Raises: StepFailed for a secret that is not there, and for what this command line cannot do.
    """
    wanted = (
        ("cacheTo", spec.cache_to),
        ("builder", spec.builder),
        ("buildContexts", contexts and not is_podman),
        ("platforms", len(spec.platforms) > 1),
    )
    needs = [name for name, value in wanted if value and not is_buildx]
    if needs:
        raise StepFailed(
            f"`docker.{needs[0]}` needs docker buildx",
            hint="podman has no such thing" if is_podman else "install docker-buildx (https://docs.docker.com/build/)",
        )
    return (
        *(("--target", spec.target) if spec.target else ()),
        *_each("--build-arg", (f"{name}={value}" for name, value in build_args.items())),
        *(("--platform", ",".join(spec.platforms)) if spec.platforms else ()),
        *_each("--build-context", (f"{name}={value}" for name, value in (contexts or {}).items())),
        *_each("--label", (f"{name}={value}" for name, value in spec.labels.items())),
        *_each("--secret", (_secret(each, context) for each in spec.secrets)),
        *_each("--ssh", spec.ssh),
        *(("--network", spec.network) if spec.network else ()),
        *_each("--add-host", spec.add_hosts),
        *_each("--cache-from", spec.cache_from),
        *_each("--cache-to", spec.cache_to),
        *(("--no-cache",) if spec.no_cache else ()),
        *spec.flags,
    )


def output(artifact: model.Artifact, repository: str) -> tuple[str, ...]:
    """Where buildx leaves the image: in the engine, or in the repository without a name, if it is for several platforms.

    Raises: StepFailed when there is no repository for it.
    """
    if artifact.is_for_engine:
        return ("--load",)
    if not repository:
        raise StepFailed(
            f"an image for several platforms can only be pushed: {artifact.image}",
            where=f"image/{artifact.image}",
            hint="`devloop build --push` does, and with `cluster.registry` so do `run` and `dev`; else name one in `docker.platforms`",
        )
    return ("--output", f"type=image,name={repository},push=true,push-by-digest=true,name-canonical=true")


def platform(spec: model.Docker, environment: Mapping[str, str]) -> str | None:
    """What is built for, as far as that is not the engine's own platform. A builder that is named decides where nothing else does."""
    if given := ",".join(sorted(spec.platforms)) or environment.get("DOCKER_DEFAULT_PLATFORM"):
        return given
    builder = spec.builder or environment.get("BUILDX_BUILDER")
    return f"that of the builder {builder}" if builder else None


def values(spec: model.Docker) -> tuple[tuple[str, str], ...]:
    """What decides besides files, for the digest."""
    return (
        ("dockerfile", spec.dockerfile),
        ("target", spec.target or ""),
        *((f"argument {name}", value) for name, value in sorted(spec.build_args.items())),
        *((f"label {name}", value) for name, value in sorted(spec.labels.items())),
        *((f"context {name}", value) for name, value in sorted(spec.build_contexts.items())),
        ("network", spec.network or ""),
        ("hosts", " ".join(spec.add_hosts)),
        ("flags", "\0".join(spec.flags)),
    )


def _each(flag: str, wanted: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for each in wanted:
        yield from (flag, each)


def _secret(secret: model.Secret, context: Path) -> str:
    if secret.env is not None:
        if secret.env not in os.environ:
            raise StepFailed(
                f"the secret {secret.id} is not there: the variable {secret.env} is not set",
                hint=f"export {secret.env}, and start devloop again",
            )
        return f"id={secret.id},env={secret.env}"
    file = Path(os.path.normpath(context / os.path.expanduser(secret.file or "")))
    if not file.is_file():
        raise StepFailed(
            f"the secret {secret.id} is not there", where=str(file), hint="`docker.secrets` names its file"
        )
    return f"id={secret.id},src={file}"
