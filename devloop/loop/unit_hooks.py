"""Commands of the user's around the rendering and the deploy of a unit.

Comes in: a unit with its hooks, and how far it is. Goes out: nothing but what they did; a failure is the step's. They run one after the
other, on this machine each in a process group of its own. What ran well is remembered on this machine, so that a hook with inputs runs
again only when they, or the objects that it ran for, are others.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devloop import commands, globs
from devloop.config import model
from devloop.config.defaults import RESOURCES
from devloop.deploy import marks
from devloop.errors import StepFailed
from devloop.loop.surroundings import Surroundings
from devloop.observe.targets import newest_ready
from devloop.products import Applied, Inputs, Manifest, ObjectRef
from devloop.render.manifests import to_yaml
from devloop.scope import Scope
from devloop.stages import Cluster, Inside
from devloop.store.passes import Passes


@dataclass(frozen=True)
class _Run:
    """A hook at its turn. `where`: its place in the configuration; `stands_for`: what else than its inputs it has to run again for."""

    unit: model.Unit
    hook: model.UnitHook
    where: str
    stands_for: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


class UnitHooks:
    """The hooks of all units of a session. `ran`: what ended well in earlier ones."""

    def __init__(self, around: Surroundings, ran: Passes) -> None:
        self._around = around
        self._ran = ran

    def inputs(self, unit: model.Unit) -> Inputs | None:
        """What the hooks of a unit read besides, None when they name nothing. Blocks on the disk."""
        hooks = unit.hooks or model.UnitHooks()
        listed = (*hooks.before_render, *hooks.after_render, *hooks.before_deploy, *hooks.after_deploy)
        patterns = tuple(dict.fromkeys(pattern for hook in listed for pattern in hook.inputs))
        return self._inputs(patterns) if patterns else None

    def before_render(self, scope: Scope, unit: model.Unit) -> None:
        """Blocks; cancelled by the scope. Raises: StepFailed for the first hook that fails, as all of these do."""
        for index, hook in enumerate((unit.hooks or model.UnitHooks()).before_render):
            self._maybe(scope, _Run(unit, hook, _where(unit, "beforeRender", index)))

    def after_render(self, scope: Scope, unit: model.Unit, manifests: Sequence[Manifest]) -> None:
        """With the rendered manifests in a file."""
        hooks = (unit.hooks or model.UnitHooks()).after_render
        if hooks:
            text = to_yaml(each.object for each in manifests)
            with _file(text) as file:
                digest = hashlib.sha256(text.encode()).hexdigest()
                told = {"DEVLOOP_MANIFESTS": str(file)}
                for index, hook in enumerate(hooks):
                    self._maybe(scope, _Run(unit, hook, _where(unit, "afterRender", index), digest, told))

    def before_deploy(self, scope: Scope, unit: model.Unit) -> Callable[[bool], None]:
        """What to call before the first write, with whether there is one."""
        hooks = (unit.hooks or model.UnitHooks()).before_deploy

        def run(is_due: bool) -> None:
            for index, hook in enumerate(hooks):
                if is_due or hook.inputs:
                    self._maybe(scope, _Run(unit, hook, _where(unit, "beforeDeploy", index)), is_first=True)

        return run

    def after_deploy(self, scope: Scope, unit: model.Unit, applied: Applied) -> None:
        """Once the unit is ready: for each state that its objects are brought to, and each object that takes another's place."""
        hooks = (unit.hooks or model.UnitHooks()).after_deploy
        for index, hook in enumerate(hooks):
            uids = sorted(str(each.live["metadata"].get("uid", "")) for each in applied.objects)
            written = sorted(_written(each.live) for each in applied.objects)
            stands_for = "\n".join(uids if hook.inputs else [*uids, *written])
            self._maybe(scope, _Run(unit, hook, _where(unit, "afterDeploy", index), stands_for), is_remembered=True)

    def _maybe(self, scope: Scope, run: _Run, *, is_first: bool = False, is_remembered: bool = False) -> None:
        """Runs the hook, if it is for this system and did not end well for the same before."""
        hook = run.hook
        if not commands.is_for_here(hook.os):
            return
        digest = self._digest(run) if hook.inputs or is_remembered else ""
        place = f"{self._context} {self._around.namespace} {run.where}"
        if digest and self._ran.has(self._around.plan.base, place, digest):
            return
        if not (self._in_container(scope, run, is_first) if hook.resource else self._here(scope, run)):
            return
        if digest:
            try:
                self._ran.add(self._around.plan.base, place, digest)
            except OSError as exc:
                text = f"that a hook ran cannot be remembered: {exc.strerror}; it will run again"
                self._around.tools(f"deploy/{run.unit.name}").line(text)

    def _digest(self, run: _Run) -> str:
        read = self._around.tracker.fold(self._inputs(run.hook.inputs)) if run.hook.inputs else ""
        return hashlib.sha256("\0".join((repr(run.hook), read, run.stands_for)).encode()).hexdigest()

    def _inputs(self, patterns: Sequence[str]) -> Inputs:
        base = self._around.plan.base
        is_named = globs.matcher(base, patterns)
        return Inputs(
            base=base,
            files=globs.expand(base, patterns),
            roots=globs.roots(base, patterns),
            matches=is_named,
            why=lambda path: f"`inputs` of a hook {'name' if is_named(path) else 'do not name'} it",
        )

    @property
    def _context(self) -> str:
        cluster = self._around.doors.cluster
        return cluster.context if cluster else ""

    def _environment(self, run: _Run) -> Mapping[str, str]:
        return {
            "DEVLOOP_PROJECT": self._around.plan.owner(run.unit.name).project,
            "DEVLOOP_UNIT": run.unit.name,
            "DEVLOOP_NAMESPACE": self._around.namespace,
            "DEVLOOP_CONTEXT": self._context,
            **run.environment,
        }

    def _here(self, scope: Scope, run: _Run) -> bool:
        tools = self._around.tools(f"deploy/{run.unit.name}")
        folder = self._around.plan.base / (run.hook.dir or ".")
        if not folder.is_dir():
            raise StepFailed(f"there is no folder {folder}", where=run.where, hint="`dir` is relative to devloop.yaml")
        try:
            done = commands.run(
                scope,
                ["sh", "-c", run.hook.command],
                timeout_s=run.hook.timeout_seconds,
                cwd=folder,
                env=self._environment(run),
                tools=tools,
            )
        except commands.TimedOut as late:
            raise commands.late_hook(run.hook, late, where=run.where) from None
        if done.code != 0:
            hint = f"it runs with `sh -c` in {folder}"
            raise commands.failed_hook(run.hook, done.code, done.tail, where=run.where, hint=hint)
        return True

    def _in_container(self, scope: Scope, run: _Run, is_first: bool) -> bool:
        """False when there is no container yet, and need not be one. `is_first`: it may be the unit's first deploy."""
        cluster = self._around.doors.cluster
        if cluster is None:
            raise TypeError("hooks in containers run around a deploy, which has a cluster")
        inside = self._container(scope, cluster, run.hook)
        tools = self._around.tools(f"deploy/{run.unit.name}")
        if isinstance(inside, str):
            if is_first:
                tools.line(f"{run.where} is left out: {inside}")
                return False
            raise StepFailed(
                f"the hook has nowhere to run: {inside}", where=run.where, hint=f"`resource` is {run.hook.resource}"
            )
        last: deque[str] = deque(maxlen=commands.SHOWN_LINES)

        def heard(text: str) -> None:
            last.append(text)
            tools.line(text)

        lines = _Lines(heard)
        variables = [f"{name}={value}" for name, value in self._environment(run).items()]
        try:
            with commands.limited(scope, run.hook.timeout_seconds, last) as limited:
                code = cluster.execute(limited, inside, ["env", *variables, "sh", "-c", run.hook.command], lines.take)
        except commands.TimedOut as late:
            raise commands.late_hook(run.hook, late, where=run.where) from None
        except ConnectionError as exc:
            raise StepFailed(f"the hook cannot run in {run.hook.resource}: {exc}", where=run.where) from exc
        lines.end()
        if code:
            hint = f"it runs with `sh -c` in pod {inside.pod}"
            raise commands.failed_hook(run.hook, code, tuple(last), where=run.where, hint=hint)
        return True

    def _container(self, scope: Scope, cluster: Cluster, hook: model.UnitHook) -> Inside | str:
        """Where the hook runs; in words why there is no such place."""
        kind, _, name = (hook.resource or "").partition("/")
        live = cluster.get(scope, ObjectRef(*RESOURCES[kind.lower()], self._around.namespace, name))
        if live is None:
            return f"there is no {hook.resource}"
        pod = newest_ready(live, cluster.list(scope, "v1", "Pod", namespace=self._around.namespace))
        if pod is None:
            return f"no pod of {hook.resource} is ready"
        container = hook.container or pod["spec"]["containers"][0]["name"]
        return Inside(pod["metadata"]["namespace"], pod["metadata"]["name"], container)


class _Lines:
    """Whole lines out of chunks."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for each in whole:
            self._line(each.decode(errors="replace").rstrip("\r"))

    def end(self) -> None:
        if self._rest:
            self.take(b"\n")


@contextmanager
def _file(text: str) -> Iterator[Path]:
    """A file that only this user may read: what is rendered may hold secrets."""
    with tempfile.TemporaryDirectory(prefix="devloop-hook-") as folder:
        file = Path(folder, "manifests.yaml")
        file.write_text(text, encoding="utf-8")
        yield file


def _where(unit: model.Unit, when: str, index: int) -> str:
    return f"hooks.{when}[{index}] of {unit.name}"


def _written(live: Mapping[str, object]) -> str:
    """What devloop last made of the object."""
    return marks.annotation(live, marks.DIGEST)
