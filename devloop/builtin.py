"""Which implementation stands behind a word of the configuration: an explicit table, nothing registered by imports.

Comes in: a spec from the configuration. Goes out: the builder or renderer for it. A new one is one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devloop.config import model
from devloop.stages import Builder, Renderer


def _docker() -> Builder:
    from devloop.build.docker import DockerBuilder

    return DockerBuilder()


def _custom() -> Builder:
    from devloop.build.custom import CustomBuilder

    return CustomBuilder()


def _ko() -> Builder:
    from devloop.build.ko import KoBuilder

    return KoBuilder()


def _jib() -> Builder:
    from devloop.build.jib import JibBuilder

    return JibBuilder()


def _bazel() -> Builder:
    from devloop.build.bazel import BazelBuilder

    return BazelBuilder()


def _buildpacks() -> Builder:
    from devloop.build.buildpacks import BuildpacksBuilder

    return BuildpacksBuilder()


def _manifests() -> Renderer:
    from devloop.render.manifests import ManifestsRenderer

    return ManifestsRenderer()


def _kustomize() -> Renderer:
    from devloop.render.kustomize import KustomizeRenderer

    return KustomizeRenderer()


def _helm() -> Renderer:
    from devloop.render.helm import HelmRenderer

    return HelmRenderer()


def _ytt() -> Renderer:
    from devloop.render.ytt import YttRenderer

    return YttRenderer()


def _custom_renderer() -> Renderer:
    from devloop.render.custom import CustomRenderer

    return CustomRenderer()


BUILDERS: Mapping[str, Callable[[], Builder]] = {
    "docker": _docker,
    "custom": _custom,
    "ko": _ko,
    "jib": _jib,
    "bazel": _bazel,
    "buildpacks": _buildpacks,
}
RENDERERS: Mapping[str, Callable[[], Renderer]] = {
    "manifests": _manifests,
    "kustomize": _kustomize,
    "helm": _helm,
    "ytt": _ytt,
    "custom": _custom_renderer,
}


def builder_kind(artifact: model.Artifact) -> str:
    """The word of BUILDERS that an artifact asks for; `docker` unless it says otherwise."""
    return artifact.builder


def renderer_kind(unit: model.Unit) -> str:
    """The word of RENDERERS that a valid unit asks for."""
    return next(kind for kind in RENDERERS if getattr(unit, kind))


def renderer(unit: model.Unit) -> Renderer:
    """The renderer of a valid unit, with all that follows it."""
    first = RENDERERS[renderer_kind(unit)]()
    if not unit.then and not unit.transforms:
        return first
    from devloop.render.chain import ChainRenderer

    return ChainRenderer(first)
