"""`devloop diff`: what `devloop run` would change in the cluster now. Builds and writes nothing.

Its exit code is that of diff and of kubectl diff: 0 without differences, 1 with some, 2 and more for what went wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from devloop import events
from devloop.cli import differences, releases, session
from devloop.cli.options import Common
from devloop.cli.rendering import RenderedUnits, chosen, rendered, with_needs
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy import diff as deploy_diff
from devloop.deploy import refusals
from devloop.deploy.apply import Consent, Owner
from devloop.deploy.diff import Differences
from devloop.errors import DevloopError, StepFailed, Unavailable, UsageError
from devloop.loop.releases import is_release, release_of
from devloop.loop.surroundings import Doors
from devloop.place import choose
from devloop.place.shared import SharedPlacer
from devloop.products import Identity, Image, Manifest, Placed
from devloop.render.objects import identity
from devloop.scope import Scope
from devloop.stages import Cluster, Placer, Tools

DIFFERENT = 1
TROUBLE = 2
_WORDS = {
    "install": "installed",
    "upgrade": "upgraded",
    "uninstall": "uninstalled",
    "create": "created",
    "change": "changed",
    "adopt": "taken over",
    "recreate": "made anew",
    "delete": "deleted",
}


def diff(common: Common, what: Sequence[str], *, consent: Consent = Consent()) -> int:  # noqa: B008 - frozen
    """Tells every difference of the units, all of them by default. `consent`: what `run` would be allowed to do besides.

    Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        units = chosen(loaded.project, what)
        cluster = session.connect(common, loaded.project, report)
        with Scope("diff") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            everything = with_needs(loaded.project, units)
            find = finder(doors, loaded.project, cluster, report)
            found = rendered(scope, loaded, doors, report, everything, namespace=cluster.namespace, find=find)
            known = frozenset(each.name for each in loaded.project.deploy)
            plan = session.plan(loaded)
            comparison = Comparison(scope, cluster, report, plan.owner, consent=consent)
            for unit_name, gone in releases.going(scope, cluster, plan):
                comparison.tell(unit_name, Differences((gone,)))
            for unit in units:
                if is_release(unit):
                    comparison.release(found, unit)
                else:
                    others = [
                        each for name, one in found.finished.items() if name != unit.name for each in one.manifests
                    ]
                    is_all = known == found.finished.keys()
                    elsewhere = frozenset(identity(each.object, cluster.namespace) for each in others)
                    comparison.unit(
                        unit.name, found.finished[unit.name].manifests, others, elsewhere if is_all else None
                    )
            scope.cancel()
        return comparison.end()

    return as_diff(body)(common)


def as_diff(body: Callable[[Report], int]) -> Callable[[Common], int]:
    """The command, in which what goes wrong is no 1: that means differences."""

    def guarded(report: Report) -> int:
        try:
            return body(report)
        except DevloopError as exc:
            report.fail(exc)
            return max(exc.exit_code, TROUBLE)

    return lambda common: reporting(common, guarded)


class Comparison:
    """Compares unit after unit, tells each difference as it is found, and keeps count."""

    def __init__(
        self,
        scope: Scope,
        cluster: Cluster,
        report: Report,
        owner: Callable[[str, frozenset[Identity] | None], Owner],
        *,
        consent: Consent,
    ) -> None:
        self._scope, self._cluster, self._report = scope, cluster, report
        self._owner, self._consent = owner, consent
        self._counts: Counter[str] = Counter()
        self._refused = 0

    def unit(
        self,
        name: str,
        manifests: Sequence[Manifest],
        others: Sequence[Manifest] = (),
        elsewhere: frozenset[Identity] | None = frozenset(),
    ) -> None:
        """See deploy.diff.differences, and deploy.plan.Owner for what is `elsewhere`."""
        told = deploy_diff.differences(
            self._scope,
            self._cluster,
            owner=self._owner(name, elsewhere),
            namespace=self._cluster.namespace,
            manifests=manifests,
            others=others,
            consent=self._consent,
        )
        self.tell(name, told)

    def release(self, units: RenderedUnits, unit: model.Unit) -> None:
        """See deploy.release_diff."""
        told, standing = releases.compared(self._scope, self._cluster, units, unit)
        self.tell(unit.name, told)
        if standing.moved and not standing.is_due:
            release = release_of(unit, self._cluster.namespace)
            self._report.emit(events.Notice(message=f"{release}: {standing.moved}, and would be left as it is"))

    def tell(self, unit: str, told: Differences) -> None:
        """Tells what was found and counts it. What the server would refuse is told, and the rest all the same."""
        for each in told.found:
            self._counts[each.action] += 1
            self._report.emit(differences.event(each, unit))
        self._counts["same"] += told.same
        for text in told.left:
            self._report.emit(events.Notice(message=text))
        for ref, why in told.kept:
            self._report.emit(events.Notice(message=f"{ref} is no longer rendered and would stay: {why}"))
        if told.refused:
            self._refused += len(told.refused)
            self._report.fail(refusals.error(told.refused, self._cluster.namespace))

    @property
    def is_refused(self) -> bool:
        """Whether the server would not take something."""
        return self._refused > 0

    def end(self) -> int:
        """Tells how many there were of each kind; the exit code."""
        counted = [f"{self._counts[each]} would be {word}" for each, word in _WORDS.items() if self._counts[each]]
        same = f"{self._counts['same']} would stay as they are"
        said = ", ".join([*counted, same]) if counted else f"no differences: {same}"
        self._report.emit(events.Notice(message=said, is_answer=True))
        if self.is_refused:
            return TROUBLE
        return DIFFERENT if counted else 0


def finder(
    doors: Doors, project: model.Project, cluster: Cluster, report: Report
) -> Callable[[Scope, Image], Placed | None]:
    """Asks where the cluster takes images from; there an image that was pushed has the digest that `run` writes."""

    def choice(scope: Scope) -> Placer:
        try:
            return choose.choose(scope, project.cluster, cluster, doors.engine, doors.processes, emit=report.emit)
        except (Unavailable, UsageError, StepFailed) as exc:
            message = f"images have the names that they get without a registry: {exc.message}"
            report.emit(events.Notice(message=message, hint=exc.hint or ""))
            return SharedPlacer()

    once = session.once(choice)
    return lambda scope, image: once(scope).find(image, Tools(doors.processes, doors.engine))
