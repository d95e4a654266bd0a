"""The text of devloop.yaml: what is needed and nothing else, with comments that teach the file's next reader.

Comes in: a plan. Goes out: text that the configuration's rules accept. Defaults are left out, and so is what devloop finds by itself. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from devloop.config.model import API_VERSION
from devloop.render import documents
from devloop.setup.plan import Artifact, Plan
from devloop.setup.records import Chart, Kustomize
from devloop.setup.walk import join

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*@=-]*")

_HEAD = """\
# yaml-language-server: $schema=devloop-v1.json
# `devloop schema > devloop-v1.json` gives an editor completion and hover for this file.
#
#   devloop dev      build, deploy, watch; logs and ports, until Ctrl-C
#   devloop run      the same once
#   devloop delete   delete what was deployed
apiVersion: """


def write(plan: Plan) -> str:
    """The whole file."""
    parts = [
        _HEAD + API_VERSION,
        f"metadata:\n  name: {scalar(plan.project)}",
        *_build(plan),
        *_deploy(plan),
        *_forward(plan),
    ]
    return "\n".join([*parts, *_profiles(plan)]) + "\n"


def scalar(value: str) -> str:
    """Text as YAML has it: plain where nobody takes that for something else."""
    is_plain = _PLAIN.fullmatch(value) and documents.reads_as_text(value) and not value.endswith(":")
    if is_plain and value.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def _build(plan: Plan) -> Iterator[str]:
    if not plan.artifacts:
        return
    yield "\nbuild:\n  artifacts:"
    yield "    # Manifests name an image as it is here, without a tag. An edit of what its build reads builds it anew."
    for each in plan.artifacts:
        yield from _artifact(each)


def _artifact(each: Artifact) -> Iterator[str]:
    yield f"    - image: {scalar(each.image)}"
    source = each.source
    if source.context != ".":
        yield f"      context: {scalar(source.context)}"
    dockerfile = source.dockerfile if source.context == "." else _relative(source.dockerfile, source.context)
    is_default = dockerfile == "Dockerfile"
    if is_default and not each.target and not each.build_args:
        return
    yield "      docker:"
    if not is_default:
        yield f"        dockerfile: {scalar(dockerfile)}   # relative to the context"
    if each.target:
        yield f"        target: {scalar(each.target)}"
    if each.build_args:
        yield "        buildArgs:"
        yield from (f"          {scalar(key)}: {_quoted(value)}" for key, value in each.build_args.items())


def _relative(path: str, folder: str) -> str:
    import posixpath

    return posixpath.relpath(path, folder)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _deploy(plan: Plan) -> Iterator[str]:
    yield "\ndeploy:"
    for manifests in plan.manifests:
        yield "  # Every file that matches is applied; one that goes is deleted from the cluster, too."
        yield f"  - manifests: {_listed(manifests.patterns, 6)}"
    for kustomize in plan.kustomize:
        yield from _kustomize(kustomize)
    for chart in plan.charts:
        yield from _chart(chart)
    if plan.services:
        yield "  # A unit each: `needs` says what has to be ready before it is applied."
    for service in plan.services:
        yield f"  - name: {scalar(service.name)}"
        yield f"    manifests: [{scalar(service.file)}]"
        if service.needs:
            yield f"    needs: [{', '.join(map(scalar, service.needs))}]"


def _listed(values: Sequence[str], indent: int) -> str:
    """In one line while it is short."""
    line = f"[{', '.join(map(scalar, values))}]"
    if len(line) < 90:
        return line
    return "".join(f"\n{' ' * indent}- {scalar(each)}" for each in values)


def _kustomize(each: Kustomize) -> Iterator[str]:
    if each.others:
        yield f"  # By default {each.path}; the other overlays are profiles, below."
    if each.others or each.name:
        yield f"  - name: {_unit(each.name)}"
        yield f"    kustomize: {scalar(each.path)}"
    else:
        yield f"  - kustomize: {scalar(each.path)}"


def _unit(name: str) -> str:
    return scalar(name or "app")


def _chart(each: Chart) -> Iterator[str]:
    yield f"  - name: {_unit(each.name)}"
    yield "    helm:"
    yield f"      chart: {scalar(each.path)}"
    if each.values:
        yield f"      values: {_listed(each.values, 8)}   # over the chart's own values.yaml"


def _forward(plan: Plan) -> Iterator[str]:
    if not plan.forwards:
        if plan.charts:
            yield "\n# Ports on this machine while `devloop dev` runs:\n# portForward:\n#   - resource: deployment/NAME\n#     port: 8080"
        return
    yield "\n# On localhost while `devloop dev` runs.\nportForward:"
    for each in plan.forwards:
        yield f"  - resource: {scalar(each.resource)}"
        yield f"    port: {each.port}"
        if each.local_port != each.port:
            yield f"    localPort: {each.local_port}"


def _profiles(plan: Plan) -> Iterator[str]:
    units: tuple[Kustomize | Chart, ...] = (*plan.kustomize, *plan.charts)
    names = dict.fromkeys(name for unit in units for name in unit.others)
    if not names:
        return
    yield "\n# `devloop run --profile NAME` lays a profile over the rest of this file; entries of lists are known by their names."
    yield "profiles:"
    for name in names:
        yield f"  - name: {scalar(name)}"
        yield "    deploy:"
        for kustomize in plan.kustomize:
            if name in kustomize.others:
                yield f"      - name: {_unit(kustomize.name)}"
                yield f"        kustomize: {scalar(kustomize.others[name])}"
        for chart in plan.charts:
            if name in chart.others:
                yield f"      - name: {_unit(chart.name)}"
                yield f"        helm: {{values: [{scalar(chart.others[name])}]}}"


def paths(plan: Plan) -> Mapping[str, str]:
    """Everything that would be written but the configuration, in the order in which people read it."""
    return {join(path): plan.files[path] for path in sorted(plan.files)}
