"""A session on the shipped fakes: what it tells while the engine and the cluster are away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from devloop import events
from devloop.cli.interrupts import Interrupts
from devloop.cli.report import Report
from devloop.cli.session import Session
from devloop.config import model
from devloop.graph import ALL_STEPS
from devloop.loop.messages import Asked
from devloop.loop.surroundings import Doors, Plan
from devloop.observe.pods import PodStore
from devloop.render.manifests import ManifestsRenderer
from devloop.scope import Scope
from devloop.testing.cluster import FakeCluster
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses
from tests.e2e.web import eventually

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


class Seen:
    """Events as they came."""

    def __init__(self) -> None:
        self.all: list[events.AnyEvent] = []

    def notices(self) -> list[str]:
        return [each.message for each in self.all if isinstance(each, events.Notice)]

    def until(self, found: Callable[[], object]) -> None:
        eventually(found, timeout_s=30, every_s=0.02)


def test_each_reason_for_waiting_is_told_and_then_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG_MAP)
    unit = model.Unit(name="a", manifests=("a.yaml",))
    project = model.Project("devloop/v1", model.Metadata("shop"), deploy=(unit,))
    plan = Plan(project, tmp_path, {}, {"a": ManifestsRenderer()}, frozenset({"a"}))
    engine, cluster, seen = FakeEngine(), FakeCluster(), Seen()
    engine.is_down = True
    cluster.down()
    with Scope("test") as scope:
        doors = Doors(FakeProcesses(), engine, cluster, PodStore(scope, cluster))
        report = Report(seen.all.append, lambda: 0.0, Interrupts())
        session = Session(scope, plan, doors, report, wanted=ALL_STEPS, namespace="default")
        session.tracker.track(scope, session.steps.listings())
        running = threading.Thread(target=lambda: session.run(is_partial=True, until_idle=False))
        running.start()
        seen.until(lambda: any("engine" in each for each in seen.notices()))
        engine.is_down = False
        seen.until(lambda: len(seen.notices()) == 2)
        cluster.up()
        seen.until(lambda: any(isinstance(each, events.Update) and each.state == "ready" for each in seen.all))
        session.loop.post(Asked("quit"))
        running.join()
        scope.cancel()
    assert "API server" in seen.notices()[1]
    assert cluster.all("v1", "ConfigMap", namespace="default")
