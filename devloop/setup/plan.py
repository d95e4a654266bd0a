"""From what was found to what would be written.

Comes in: findings, and what a person has decided. Goes out: a plan, with the questions that are still open. `DEPLOYS` names what can be
deployed, the most specific first: where two of them run the same images, one has to be chosen. Pure but for what compose mounts.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from devloop.config import names
from devloop.errors import UsageError
from devloop.setup import generated, pairing
from devloop.setup.compose import read as compose
from devloop.setup.compose import write as compose_manifests
from devloop.setup.compose.records import Service as ComposeService
from devloop.setup.compose.records import object_name
from devloop.setup.pairing import Question
from devloop.setup.records import Chart, Findings, Kustomize, Manifests, Source, Use
from devloop.setup.walk import Tree, join

DEPLOYS = ("kustomize", "helm", "manifests", "compose")


@dataclass(frozen=True)
class Decisions:
    """`artifacts`: image → Dockerfile, None for an image of somebody else's. `deploy`: words of DEPLOYS; () to choose."""

    artifacts: Mapping[str, str | None] = field(default_factory=dict)
    deploy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """An image to build. `source`: what of."""

    image: str
    source: Source
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A unit of its own for what compose or devloop generated: its file, and what has to be ready first."""

    name: str
    file: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forward:
    """A port to have on this machine."""

    resource: str
    port: int
    local_port: int


@dataclass(frozen=True)
class Plan:
    """`files`: what has to be written besides the configuration. `deploys`: open when more than one is in it. `guesses`: what was decided
    by little.
    """

    project: str
    artifacts: tuple[Artifact, ...] = ()
    manifests: tuple[Manifests, ...] = ()
    kustomize: tuple[Kustomize, ...] = ()
    charts: tuple[Chart, ...] = ()
    services: tuple[Service, ...] = ()
    forwards: tuple[Forward, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    deploys: tuple[str, ...] = ()


def make(tree: Tree, found: Findings, decided: Decisions) -> Plan:
    """What would be written. Raises: UsageError when there is nothing to deploy or build, or a decision names what is not there."""
    present = _present(found)
    _check(found, present, decided)
    if not present:
        return _from_sources(found)
    chosen = decided.deploy or _chosen(found, present)
    if chosen == ("compose",):
        return _from_compose(tree, found)
    return _from_manifests(replace(_kept(found, chosen), compose=""), found, present, chosen, decided)


def rivals(found: Findings) -> tuple[str, ...]:
    """Ways to deploy the same images, of which one has to be chosen; () when there is nothing to choose."""
    present = [each for each in _present(found) if each != "compose"]
    images = {each: {use.image for use in _uses(_kept(found, (each,)))} for each in present}
    common = {each for each in present if any(images[each] & images[other] for other in present if other != each)}
    return tuple(each for each in present if each in common)


def _present(found: Findings) -> list[str]:
    there = (found.kustomize, found.charts, found.manifests, found.compose)
    return [word for word, each in zip(DEPLOYS, there, strict=True) if each]


def _chosen(found: Findings, present: Sequence[str]) -> tuple[str, ...]:
    """All that do not compete with an earlier one; compose only where there is nothing else."""
    competing = rivals(found)[1:]
    best = [each for each in present if each not in competing and each != "compose"]
    return tuple(best) or ("compose",)


def _check(found: Findings, present: Sequence[str], decided: Decisions) -> None:
    known = [each.dockerfile for each in found.sources]
    for image, file in decided.artifacts.items():
        if file is not None and file not in known:
            raise UsageError(
                f"--artifact {image}={file}: no such Dockerfile, and no program that one could be written for",
                hint=names.did_you_mean(file, known, f"there is {', '.join(known)}" if known else "there is none here"),
            )
        if not names.is_repository(image):
            raise UsageError(
                f"--artifact {image}: no name of an image", hint="write it as in a manifest, without a tag"
            )
    for each in decided.deploy:
        if each not in present:
            hint = f"there is {', '.join(present)}" if present else "leave it out: manifests are written"
            raise UsageError(f"--deploy {each}: there is none here", hint=hint)
    if not present and not found.sources:
        raise UsageError(
            "nothing here that could be built or deployed",
            where=found.project,
            hint="devloop init looks for Dockerfiles, programs in Python, Node, Go, Java, Ruby, .NET and Rust, Kubernetes manifests, "
            "kustomizations, Helm charts and compose files; run it in the project's folder",
        )


def _kept(found: Findings, chosen: Sequence[str]) -> Findings:
    return replace(
        found,
        kustomize=found.kustomize if "kustomize" in chosen else (),
        charts=found.charts if "helm" in chosen else (),
        manifests=found.manifests if "manifests" in chosen else (),
    )


def _uses(found: Findings) -> tuple[Use, ...]:
    units: tuple[Kustomize | Chart | Manifests, ...] = (*found.kustomize, *found.charts, *found.manifests)
    return tuple(use for unit in units for use in unit.uses)


def _from_manifests(
    kept: Findings, found: Findings, present: Sequence[str], chosen: Sequence[str], decided: Decisions
) -> Plan:
    uses = _uses(kept)
    pairs = pairing.pair(uses, found.sources, decided.artifacts)
    artifacts = tuple(Artifact(image, source) for image, source in pairs.pairs.items())
    unused = [each for each in pairs.unused if not each.is_new]
    notes = [
        f"{each.dockerfile}: nothing that is deployed names its image; left out (--artifact IMAGE={each.dockerfile})"
        for each in unused
    ]
    notes += [
        f"{each}: left out, for the same is deployed with {chosen[0]} (--deploy {each})"
        for each in present
        if each not in chosen
    ]
    return Plan(
        project=found.project,
        artifacts=artifacts,
        manifests=kept.manifests,
        kustomize=kept.kustomize,
        charts=kept.charts,
        forwards=_forwards(_ported(uses, pairs.pairs)),
        files={path: text for each in artifacts for path, text in each.source.writes.items()},
        notes=(*found.notes, *notes),
        questions=pairs.questions,
        deploys=tuple(chosen),
    )


def _ported(uses: Sequence[Use], pairs: Mapping[str, Source]) -> list[tuple[str, int, int]]:
    """Workload, port and the port wanted here, for the images that are built."""
    found = []
    for use in uses:
        kind = use.workload.partition("/")[0]
        if use.image in pairs and use.workload and kind != "job":
            found += [(use.workload, each, each) for each in (use.ports or pairs[use.image].ports)[:1]]
    return found


def _forwards(wanted: Sequence[tuple[str, int, int]]) -> tuple[Forward, ...]:
    """Each with a local port of its own, that needs no privilege."""
    taken: set[int] = set()
    made = []
    for resource, port, local in dict.fromkeys(wanted):
        free = local if local >= 1024 else 8000 + local % 1000
        while free in taken:
            free += 1
        taken.add(free)
        made.append(Forward(resource, port, free))
    return tuple(made)


def _from_sources(found: Findings) -> Plan:
    """Nothing is deployed yet: every source gets a Deployment, and what listens a Service."""
    files: dict[str, str] = {}
    artifacts, services, wanted = [], [], []
    for source in found.sources:
        name = _name(source, found)
        image = f"{found.project}/{name}" if len(found.sources) > 1 else name
        file = join("k8s", f"{name}.yaml")
        artifacts.append(Artifact(image, source))
        services.append(Service(name, file))
        files |= {**source.writes, file: generated.manifest(name, image, source)}
        wanted += [(f"deployment/{name}", port, port) for port in source.ports[:1]]
    silent = [each.dockerfile for each in found.sources if not each.ports]
    notes = [f"{each}: no port is known, so there is no Service for it; EXPOSE would say it" for each in silent]
    return Plan(
        project=found.project,
        artifacts=tuple(artifacts),
        manifests=(Manifests(("k8s/*.yaml",)),),
        forwards=_forwards(wanted),
        files=files,
        notes=(*found.notes, *notes),
    )


def _name(source: Source, found: Findings) -> str:
    """The folder's name, or its Dockerfile's word; one of its own, so that two programs never share a Deployment."""
    from devloop.setup.dockerfiles import word

    def of(each: Source) -> str:
        folder = each.path.rpartition("/")[2]
        return names.to_label(word(each.dockerfile) or ("" if folder == "." else folder)) or found.project

    mine = of(source)
    is_alone = sum(of(each) == mine for each in found.sources) == 1
    return mine if is_alone else names.to_label(source.dockerfile)


def _from_compose(tree: Tree, found: Findings) -> Plan:
    read = compose.read(tree, found.compose)
    if not read.services:
        raise UsageError(f"{found.compose} has no service that could be deployed", hint="; ".join(read.lost))
    images = {each.name: decided_name(found.project, each) for each in read.services if each.context}
    artifacts: list[Artifact] = []
    notes = list(read.lost)
    files: dict[str, str] = {}
    for each in read.services:
        if each.context:
            source = _composed_source(tree, found, each)
            files.update(source.writes)
            artifacts.append(Artifact(images[each.name], source, each.target, each.build_args))
    texts, lost = compose_manifests.manifests(tree, read, images)
    services = tuple(
        Service(object_name(each.name), f"k8s/{object_name(each.name)}.yaml", tuple(map(object_name, each.needs)))
        for each in read.services
    )
    known = {each.name for each in services}
    services = tuple(replace(each, needs=tuple(need for need in each.needs if need in known)) for each in services)
    _check_order(found.compose, services)
    wanted = [
        (f"deployment/{object_name(each.name)}", one.number, one.published)
        for each in read.services
        for one in compose_manifests.ports(each)
        if one.published and one.protocol == "TCP"
    ]
    return Plan(
        project=found.project,
        artifacts=tuple({each.image: each for each in artifacts}.values()),
        services=services,
        forwards=_forwards([(resource, port, local or port) for resource, port, local in wanted]),
        files={**files, **{f"k8s/{name}.yaml": text for name, text in texts.items()}},
        notes=(*found.notes, *(f"{found.compose}: {each}" for each in (*notes, *lost))),
        deploys=("compose",),
    )


def _check_order(file: str, services: Sequence[Service]) -> None:
    """Raises: UsageError when services wait for each other."""
    try:
        graphlib.TopologicalSorter({each.name: each.needs for each in services}).prepare()
    except graphlib.CycleError as exc:
        circle = " → ".join(exc.args[1])
        raise UsageError(f"{file}: services wait for each other: {circle}", hint="correct `depends_on`") from exc


def decided_name(project: str, service: ComposeService) -> str:
    """The name of a service's image: its own, without a tag, else the project's and the service's."""
    own = names.without_tag(service.image)
    return own if own and names.is_repository(own) else f"{project}/{object_name(service.name)}"


def _composed_source(tree: Tree, found: Findings, service: ComposeService) -> Source:
    """The Dockerfile that compose names; one to write where a program has none. Raises: UsageError."""
    wanted = join(service.context, service.dockerfile or "Dockerfile")
    known = next((each for each in found.sources if each.dockerfile == wanted), None)
    if known is not None:
        return replace(known, context=service.context)
    if tree.has(wanted):
        return Source(service.context, wanted, service.context)
    is_outside = wanted.startswith("../")
    place = "outside of" if is_outside else "not in"
    raise UsageError(
        f"service {service.name} of {found.compose} is built with {wanted}, which is {place} this folder",
        hint="run devloop init in the folder that holds both"
        if is_outside
        else "write it, or correct `build` of the service",
    )
