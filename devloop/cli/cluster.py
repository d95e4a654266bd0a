"""`devloop cluster`: local clusters, made, described and deleted through kind or k3d."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from devloop import events
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.clusters import make
from devloop.clusters.tools import Tool, Wanted, check_name, installed
from devloop.errors import UsageError
from devloop.scope import Scope
from devloop.stages import Cluster


def create(common: Common, wanted: Wanted, tool: str | None) -> int:
    """Makes a cluster, with its registry if wanted. Blocks for about a minute; Ctrl-C takes the half-made away and ends with 130."""

    def body(report: Report) -> int:
        check_name(wanted.name)
        with (
            Scope("clean up") as cleanup,
            Scope("create") as scope,
            report.interrupts.during(scope.cancel, cleanup.cancel),
        ):
            world = _world(report)
            chosen = installed(world.processes, world.engine.environment(), tool)[0]
            nodes = f"{1 + wanted.workers} node{'' if not wanted.workers else 's'}"
            world.tell(f"{chosen.word} makes cluster {wanted.name}, {nodes}; this takes about a minute")
            host = make.create(scope, cleanup, chosen, wanted, world)
        context = chosen.context(wanted.name)
        served = f", registry {host}" if host else ""
        report.emit(
            events.Notice(
                message=f"cluster {wanted.name} is ready: context {context}{served}",
                hint=f"devloop dev --context {context}; devloop cluster delete {wanted.name}",
                is_answer=True,
            )
        )
        return 0

    return reporting(common, body)


def delete(common: Common, name: str, tool: str | None, *, is_forced: bool) -> int:
    """Deletes a cluster that `create` made. Blocks until it is gone."""

    def body(report: Report) -> int:
        with Scope("delete") as scope, report.interrupts.during(scope.cancel):
            world = _world(report)
            found = _find(scope, installed(world.processes, world.engine.environment(), tool), name)
            has_gone = make.delete(scope, found, name, world, is_forced=is_forced)
        world.tell(f"deleted cluster {name}" + (" and the registry, which no other cluster used" if has_gone else ""))
        return 0

    return reporting(common, body)


def status(common: Common, name: str | None, tool: str | None) -> int:
    """Describes one cluster, or all of those of the tools that are installed; 1 when one of them does not answer."""

    def body(report: Report) -> int:
        from devloop.clusters.status import status as describe

        is_well = True
        with Scope("status") as scope, report.interrupts.during(scope.cancel):
            world = _world(report)
            tools = installed(world.processes, world.engine.environment(), tool)
            found = [(_find(scope, tools, name), name)] if name else [(t, n) for t in tools for n in t.names(scope)]
            for owner, each in found:
                for event in describe(scope, owner, each, world):
                    report.emit(event)
                    is_well = is_well and not (isinstance(event, events.LocalCluster) and event.state != "running")
        if not found:
            report.emit(
                events.Notice(
                    message="there is no local cluster", hint="devloop cluster create makes one", is_answer=True
                )
            )
        return 0 if is_well else 1

    return reporting(common, body)


def _world(report: Report) -> make.World:
    from devloop.effects import docker
    from devloop.effects.process import RealProcesses

    def tell(text: str) -> None:
        report.emit(events.Notice(message=text))

    def line(text: str) -> None:
        report.emit(events.Log(source="build", target="cluster", line=text))

    processes = RealProcesses()
    return make.World(processes, docker.connect({}, processes), _connector(tell), tell, line)


def _connector(tell: Callable[[str], None]) -> Callable[[str], Cluster]:
    def connect(context: str) -> Cluster:
        from devloop.effects import cluster

        return cluster.connect(context, None, on_warning=tell)

    return connect


def _find(scope: Scope, tools: tuple[Tool, ...], name: str) -> Tool:
    """The tool that has the cluster. Raises: UsageError."""
    known = [(tool, tool.names(scope)) for tool in tools]
    owners = [tool for tool, names in known if name in names]
    if len(owners) == 1:
        return owners[0]
    if owners:
        raise UsageError(f"kind and k3d both have a cluster {name}", hint="say which with --tool")
    every = [each for _, names in known for each in names]
    near = difflib.get_close_matches(name, every, n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"clusters are {', '.join(every)}"
        if every
        else "devloop cluster create makes one"
    )
    raise UsageError(f"there is no cluster {name}", hint=hint)
