"""What is said to helm: the words of its command line, and the images of artifacts as values of the chart.

Comes in: a unit, and refs of artifacts. Goes out: lists of words. Pure.

`helm template` gets the artifacts' own names, so that what it prints names them and whoever fills images in finds them; a release gets
refs. A ref is taken apart as the chart puts it together: `registry/repository:tag`, or with a digest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devloop.config import model

# Stands for a tag until there is one; what fills in images takes no notice of it.
TAG = "devloop"
_HUB = "docker.io"


def template(unit: model.Unit, base: Path, chart: Path | str, namespace: str) -> list[str]:
    """The words that render a chart."""
    spec = _spec(unit)
    words = ["template", spec.release or unit.name, str(chart)]
    words += [] if spec.skip_crds else ["--include-crds"]
    words += ["--namespace", namespace] if namespace else []
    words += ["--kube-version", spec.kube_version] if spec.kube_version else []
    words += [word for each in spec.api_versions for word in ("--api-versions", each)]
    names = {each.image: f"{each.image}:{TAG}" for each in spec.images}
    return [*words, *values(spec, base), *image_values(spec.images, names), *spec.args]


def release(unit: model.Unit, base: Path, refs: Mapping[str, str], *, is_helm_3: bool) -> list[str]:
    """The words of an upgrade that say what is to be installed, but for the chart and where."""
    spec = _spec(unit)
    words = ["--skip-crds"] if spec.skip_crds else []
    if spec.post_renderer:
        program, *rest = split(spec.post_renderer, base) if is_helm_3 else spec.post_renderer.split()
        words += ["--post-renderer", program]
        words += [f"--post-renderer-args={each}" for each in rest]
    return [*words, *values(spec, base), *image_values(spec.images, refs), *spec.args]


def values(spec: model.Helm, base: Path) -> list[str]:
    """The words for values, in helm's own order of precedence."""
    words = [word for each in spec.values for word in ("--values", os.path.normpath(base / each))]
    for flag, given in (("--set", spec.set), ("--set-string", spec.set_string), ("--set-json", spec.set_json)):
        words += [word for key, value in given.items() for word in (flag, f"{key}={value}")]
    for key, name in spec.set_file.items():
        words += ["--set-file", f"{key}={os.path.normpath(base / name)}"]
    return words


def image_values(images: Sequence[model.HelmImage], refs: Mapping[str, str]) -> list[str]:
    """The words that put refs into a chart's values. An artifact without a ref is left out."""
    given = [pair for each in images if each.image in refs for pair in _values(each, refs[each.image])]
    return [word for path, value in given for word in ("--set-string", f"{path}={value}")]


def _values(image: model.HelmImage, ref: str) -> Iterator[tuple[str, str]]:
    if image.value:
        # Without the stand-in, so that a chart which adds a tag of its own makes no name of two tags.
        yield image.value, ref.removesuffix(f":{TAG}")
        return
    name, tag, digest = parted(ref)
    if digest and image.tag and not image.digest:
        name, tag = f"{name}@{digest.partition(':')[0]}", digest.partition(":")[2]  # the chart's own `:` joins them
    if image.registry:
        registry, name = _registry(name)
        yield image.registry, registry
    if image.repository:
        rest = "" if image.tag or tag == TAG else f":{tag}" if tag else "" if image.digest else f"@{digest}"
        yield image.repository, name + rest
    if image.tag:
        yield image.tag, tag or TAG  # beside a digest a tag is only decoration, but some charts print it
    if image.digest:
        yield image.digest, digest


def parted(ref: str) -> tuple[str, str, str]:
    """The name, tag and digest of a ref; what it does not have is empty."""
    name, _, digest = ref.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag, digest


def split(command: str, base: Path) -> list[str]:
    """A command's words; a program that is named by its path is one in the folder of the configuration."""
    import shlex

    program, *rest = shlex.split(command)
    return [os.path.normpath(base / program) if "/" in program else program, *rest]


def _registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return _HUB, name


def _spec(unit: model.Unit) -> model.Helm:
    if unit.helm is None:
        raise TypeError(f"unit {unit.name} names no chart")
    return unit.helm
