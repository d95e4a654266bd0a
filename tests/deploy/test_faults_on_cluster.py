"""Whatever write an apply, a prune or a delete is broken off at, the next one converges, and nobody else's object is touched."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from devloop.deploy import marks
from devloop.deploy.inventory import Inventory
from devloop.effects import cluster as cluster_door
from devloop.errors import DevloopError
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import Cluster
from tests.deploy import fault_steps
from tests.deploy.conftest import World, config_map
from tests.deploy.fault_steps import PROJECT, RENDERED, STEPS
from tests.deploy.faulty import Faulty
from tests.e2e.kube import Kubectl

KINDS = ("ConfigMap", "Secret")
Step = Callable[[str], None]


class Site:
    """A namespace with a project of ours, one of others, and objects of nobody's; and the faulty way to it."""

    def __init__(self, world: World, proxy: Faulty, context: str) -> None:
        self.scope, self.namespace, self.context = world.scope, world.namespace, context
        self.proxy = proxy
        self.near = cluster_door.connect(context, world.namespace)
        world.apply(config_map("theirs"), project="blog")
        self._create("nobodys", "2")
        self._bystanders = self._others()

    def _create(self, name: str, value: str) -> str:
        """By `kubectl apply`, as far as the server can tell; returns its uid."""
        url = f"{self.proxy.url}/api/v1/namespaces/{self.namespace}/configmaps?fieldManager=kubectl-client-side-apply"
        data = json.dumps(
            {**fault_steps.config_map(name, value), "data": {"key": value, "own": "1", "same": "1"}}
        ).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["metadata"]["uid"])

    def life(self, run: Step, *, is_given_up: bool = False) -> None:
        """All steps; one that was broken off is done again, or everything deleted instead (`is_given_up`).

        `run`: does a step, whether it comes to its end or not.
        """
        uid = self._create("old", "theirs")
        for step in STEPS:
            run(step)
            done = step
            if self.proxy.is_broken:
                self.audit(uid, f"{step}, broken off")
                self.proxy.mend()
                done = "delete" if is_given_up else step
                fault_steps.run(done, self.scope, self.near, self.namespace)
            self.audit(uid, step)
            self._is_as_rendered(done)
            if done == "delete":
                break
        self.near.delete(self.scope, ObjectRef("v1", "ConfigMap", self.namespace, "old"))

    def audit(self, uid: str, when: str) -> None:
        """Others' objects are what they were, to the byte, and what was adopted is the same object with its own values."""
        assert self._others() == self._bystanders, when
        old = self.near.get(self.scope, ObjectRef("v1", "ConfigMap", self.namespace, "old"))
        assert old is not None, when
        assert (old["metadata"]["uid"], old["data"]["own"]) == (uid, "1"), when

    def _is_as_rendered(self, step: str) -> None:
        rendered = {each["metadata"]["name"]: each for each in RENDERED.get(step, [])}
        ours = {each["metadata"]["name"]: each for each in self._objects() if _applyset(each) == self._applyset}
        assert ours.keys() == rendered.keys(), step
        for name, live in ours.items():
            wanted = rendered[name].get("data") or {"key": base64.b64encode(b"1").decode()}
            assert live["data"].items() >= wanted.items(), f"{step}: {name}"
        parent = self.near.get(self.scope, Inventory(PROJECT, self.namespace).parent)
        assert (parent is None) is (step == "delete"), step

    @property
    def _applyset(self) -> str:
        return Inventory(PROJECT, self.namespace).applyset

    def _objects(self) -> list[Object]:
        return [each for kind in KINDS for each in self.near.list(self.scope, "v1", kind, namespace=self.namespace)]

    def _others(self) -> list[Object]:
        return [
            each
            for each in self._objects()
            if _applyset(each) != self._applyset
            and each["metadata"]["name"] not in ("old", Inventory(PROJECT, self.namespace).name)
        ]


def _applyset(live: Object) -> str:
    return marks.label(live, marks.PART_OF)


@pytest.fixture
def site(real: World, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    config = json.loads(kubectl.run("config", "view", "--raw", "--minify", "--output=json"))
    proxy = Faulty(config, tmp_path)
    real.scope.spawn("proxy", lambda: proxy.serve_forever(0.05))
    try:
        made = Site(real, proxy, kubectl.context)
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        yield made
    finally:
        proxy.shutdown()
        proxy.server_close()


def door(site: Site) -> Cluster:
    return cluster_door.connect(site.context, site.namespace)


def count(site: Site) -> dict[str, int]:
    """How many writes each step has when nothing is broken off."""
    counts: dict[str, int] = {}

    def run(step: str) -> None:
        site.proxy.arm(0)
        fault_steps.run(step, site.scope, door(site), site.namespace)
        counts[step] = len(site.proxy.writes)

    site.life(run)
    return counts


@pytest.mark.timeout(240)
def test_a_connection_that_breaks_at_any_write_costs_only_another_run(site: Site) -> None:
    counts = count(site)
    assert counts == {"first": 7, "second": 7, "delete": 4}
    for broken, writes in counts.items():
        for at in range(1, writes + 1):
            for is_after, is_given_up in product((False, True), repeat=2):

                def run(step: str, broken: str = broken, at: int = at, is_after: bool = is_after) -> None:
                    site.proxy.arm(at if step == broken else 0, is_after=is_after)
                    try:
                        with Scope(step) as scope:
                            fault_steps.run(step, scope, door(site), site.namespace)
                    except DevloopError:
                        assert site.proxy.is_broken
                    assert site.proxy.is_broken is (step == broken), f"{step}, write {at}"

                site.life(run, is_given_up=is_given_up)


@pytest.mark.timeout(240)
def test_a_devloop_that_is_killed_at_any_write_costs_only_another_run(site: Site) -> None:
    """Killed once the server has done the write and before devloop hears of it: the state that a kill between two writes leaves, too."""
    for broken, writes in count(site).items():
        for at in range(1, writes + 1):

            def run(step: str, broken: str = broken, at: int = at) -> None:
                if step != broken:
                    site.proxy.arm(0)
                    fault_steps.run(step, site.scope, door(site), site.namespace)
                    return
                site.proxy.arm(at, is_after=True)
                argv = [sys.executable, "-m", fault_steps.__name__, step, site.context, site.namespace]
                child: Any = subprocess.Popen(argv, env={**os.environ}, stderr=subprocess.PIPE)
                site.proxy.on_break = child.kill
                _, told = child.communicate(timeout=60)
                site.proxy.on_break = lambda: None
                assert (child.returncode, told) == (-9, b""), f"{step}, write {at}"

            site.life(run, is_given_up=at % 2 == 1)
