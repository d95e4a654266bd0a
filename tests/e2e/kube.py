"""The cluster that the tests run on, seen through kubectl: an eye that shares no code with devloop.

Comes in: DEVLOOP_TEST_CONTEXT, or the test bed's kubeconfig. Goes out: a `Cluster`, or the reason why there is none; and `Kubectl` to
look at one namespace of it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.web import eventually

LABEL = "devloop-test"
STALE_AFTER = datetime.timedelta(hours=2)
# What users deploy; Events and EndpointSlices change by themselves.
KINDS = (
    "deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs,pods,services,configmaps,secrets,serviceaccounts,"
    "persistentvolumeclaims,ingresses,roles,rolebindings,poddisruptionbudgets,horizontalpodautoscalers"
)
# Each namespace has these from birth.
INBORN = frozenset({"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"})


class NoCluster(Exception):
    """Why no cluster can be tested on."""


@dataclass(frozen=True)
class Cluster:
    """`kind_name`: the name that the kind command knows it by; "" when it is no kind cluster."""

    context: str
    variables: Mapping[str, str]

    @property
    def kind_name(self) -> str:
        return self.context.removeprefix("kind-") if self.context.startswith("kind-") else ""


def find_cluster() -> Cluster:
    """The cluster to test on, asked once whether it answers; `variables` is what a process needs to reach it. Raises: NoCluster."""
    reason = os.environ.get("DEVLOOP_TEST_NO_CLUSTER", "")
    if reason:
        raise NoCluster(reason)
    context = os.environ.get("DEVLOOP_TEST_CONTEXT", "")
    cluster = Cluster(context, {}) if context else _testbed()
    path = cluster.variables.get("PATH", os.environ.get("PATH", ""))
    program = shutil.which("kubectl", path=path)
    if program is None:
        raise NoCluster("kubectl is not installed")
    asked = subprocess.run(
        [program, "--context", cluster.context, "--request-timeout=10s", "get", "--raw", "/readyz"],
        capture_output=True,
        text=True,
        env={**os.environ, **cluster.variables},
        check=False,
    )
    if asked.returncode:
        raise NoCluster(f"the cluster of context {cluster.context} does not answer: {asked.stderr.strip()[-300:]}")
    return cluster


def _testbed() -> Cluster:
    home = Path(os.environ.get("DEVLOOP_TESTBED_HOME", Path.home() / ".cache" / "devloop-testbed"))
    name = os.environ.get("DEVLOOP_TESTBED_NAME", "devloop")
    kubeconfig = home / f"{name}.kubeconfig"
    if not kubeconfig.exists():
        raise NoCluster("no cluster: run tests/testbed/up, or name one with DEVLOOP_TEST_CONTEXT")
    path = os.pathsep.join([str(home / "bin"), os.environ.get("PATH", "")])
    return Cluster(f"kind-{name}", {"PATH": path, "KUBECONFIG": str(kubeconfig)})


class Kubectl:
    """kubectl on one namespace of one context. All methods block. Raises: AssertionError when kubectl fails."""

    def __init__(self, context: str, namespace: str) -> None:
        self.context = context
        self.namespace = namespace

    def run(self, *args: str, stdin: str = "", check: bool = True) -> str:
        """Its standard output."""
        argv = ["kubectl", "--context", self.context, "--namespace", self.namespace, *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}"
        return done.stdout

    def stranger(self, folder: Path) -> Path:
        """A kubeconfig of a user of this cluster who may do nothing: a service account of the namespace, for an hour."""
        name = "stranger"
        self.run("create", "serviceaccount", name)
        token = self.run("create", "token", name, "--duration=1h").strip()
        config: dict[str, Any] = json.loads(self.run("config", "view", "--raw", "--minify", "--output=json"))
        config["users"] = [{"name": name, "user": {"token": token}}]
        config["contexts"][0]["context"] |= {"user": name, "namespace": self.namespace}
        config["current-context"] = config["contexts"][0]["name"]
        path = folder / "stranger.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--output=json"))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        text = self.run("get", kind, name, "--ignore-not-found", "--output=json")
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def list(self, kinds: str, labels: str = "") -> list[dict[str, Any]]:
        """Objects of these kinds (comma-separated), those being deleted included."""
        selector = ["--selector", labels] if labels else []
        items: list[dict[str, Any]] = self.json("get", kinds, *selector)["items"]
        return items

    def apply(self, text: str) -> None:
        self.run("apply", "--filename=-", stdin=text)

    def snapshot(self) -> dict[str, str]:
        """`Kind/name` → digest of what users deploy, without what each namespace has from birth. Equal means: nothing was changed.

        Statuses do not count: controllers and kubelets write them when they like.
        """
        digests = {f"{each['kind']}/{each['metadata']['name']}": _digest(each) for each in self.list(KINDS)}
        return {key: digest for key, digest in digests.items() if key not in INBORN}

    def pod_uids(self, labels: str = "") -> set[str]:
        """Of the pods that are not being deleted."""
        pods = self.list("pods", labels)
        return {pod["metadata"]["uid"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}

    def wait_gone(self, kind: str = "", name: str = "", *, timeout_s: float = 60) -> None:
        """Blocks until the object is gone, all of the kind without `name`, everything that users deploy without both."""

        def left() -> list[str]:
            if name:
                return [f"{kind}/{name}"] if self.get(kind, name) else []
            if kind:
                return [f"{each['kind']}/{each['metadata']['name']}" for each in self.list(kind)]
            return sorted(self.snapshot())

        try:
            eventually(lambda: not left(), timeout_s=timeout_s, every_s=0.3)
        except AssertionError:
            raise AssertionError(f"not gone from {self.namespace} within {timeout_s} s: {left()}") from None


def create_namespace(context: str, name: str) -> None:
    """Makes it, and waits until pods can be made in it: they need its service account, which comes a moment later."""
    kubectl = Kubectl(context, name)
    kubectl.apply(
        json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: "1"}}})
    )
    eventually(lambda: kubectl.get("serviceaccount", "default"), what=f"the service account of {name}")


def delete_stale_namespaces(context: str) -> None:
    """Those of test runs that were killed."""
    kubectl = Kubectl(context, "default")
    now = datetime.datetime.now(datetime.UTC)
    for each in kubectl.list("namespaces", LABEL):
        born = datetime.datetime.fromisoformat(each["metadata"]["creationTimestamp"])
        if now - born > STALE_AFTER:
            kubectl.run("delete", "namespace", each["metadata"]["name"], "--wait=false", check=False)


def _digest(obj: dict[str, Any]) -> str:
    unsteady = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in unsteady}
    steady = {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}
    return hashlib.sha256(json.dumps(steady, sort_keys=True).encode()).hexdigest()
