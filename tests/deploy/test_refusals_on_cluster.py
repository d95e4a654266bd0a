"""Policies, quotas, limits and webhooks refuse in their own words, with the object and the file; Secrets stay secret."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devloop.effects import cluster as cluster_door
from devloop.errors import DevloopError, StepFailed
from devloop.products import Manifest, ObjectRef
from tests.deploy.conftest import Recorder, World, config_map, manifest
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.web import eventually

POLICIES = "admissionregistration.k8s.io/v1"


def secret(value: str) -> Manifest:
    return manifest("v1", "Secret", "s", stringData={"password": value})


@pytest.fixture
def policy(real: World, kubectl: Kubectl) -> Iterator[str]:
    """A ValidatingAdmissionPolicy for the test's namespace: no `bad` and no change of `fixed` in a ConfigMap, no Secret; its name."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    kubectl.run("label", "namespace", real.namespace, f"policy={name}")
    rules = [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps", "secrets"],
        }
    ]
    policy = manifest(
        POLICIES,
        "ValidatingAdmissionPolicy",
        name,
        spec={
            "matchConstraints": {"resourceRules": rules},
            "validations": [
                {
                    "expression": "object.kind != 'ConfigMap' || !has(object.data) || object.data.key != 'bad'",
                    "message": "no bad configuration here",
                },
                {
                    "expression": "object.kind != 'ConfigMap' || oldObject == null || !has(object.data) || object.data == oldObject.data",
                    "message": "data is immutable, the field cannot be changed",
                },
                {
                    "expression": "object.kind != 'Secret'",
                    "messageExpression": "'no secret with ' + object.data.password",
                },
            ],
        },
    )
    binding = manifest(
        POLICIES,
        "ValidatingAdmissionPolicyBinding",
        name,
        spec={
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"policy": name}}},
        },
    )
    for each in (policy, binding):
        kubectl.apply(json.dumps(each.object))
    probe = json.dumps(config_map("probe", "bad").object)
    eventually(lambda: "no bad" in _refused(kubectl, probe), timeout_s=60, what="the policy is in force")
    yield name
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
        real.cluster.delete(real.scope, ObjectRef(POLICIES, kind, "", name))


def _refused(kubectl: Kubectl, text: str) -> str:
    argv = [
        "kubectl",
        "--context",
        kubectl.context,
        "--namespace",
        kubectl.namespace,
        "create",
        "--dry-run=server",
        "-f-",
    ]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False).stderr


def refusal(world: World, *manifests: Manifest) -> StepFailed:
    with pytest.raises(StepFailed) as told:
        world.apply(*manifests)
    return told.value


def test_a_policy_speaks_for_itself(real: World, policy: str) -> None:
    error = refusal(real, config_map("a", "bad"), config_map("b", "good"))
    assert error.message == (
        f"the cluster refused configmap/a: configmaps \"a\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding"
        f" '{policy}' denied request: no bad configuration here"
    )
    assert error.where == "k8s/a.yaml:1"
    assert error.hint is None
    assert "b" in real.names()


def test_a_policy_that_forbids_a_change_makes_nothing_new(real: World, policy: str) -> None:
    real.apply(config_map("a", "1"))
    error = refusal(real, config_map("a", "2"))
    assert "data is immutable, the field cannot be changed" in error.message
    assert not any(each.startswith("delete") for each in real.cluster.writes)


def test_a_policy_that_quotes_a_secret_does_not_get_it_printed(real: World, policy: str) -> None:
    error = refusal(real, secret("hunter2-hunter2"))
    assert f"'{policy}' denied request: no secret with ***" in error.message
    text = f"{error.message} {error.hint} {error.evidence}"
    assert "hunter2" not in text
    assert base64.b64encode(b"hunter2-hunter2").decode() not in text


def test_a_quota_says_what_is_used_and_where_to_look(real: World, kubectl: Kubectl) -> None:
    kubectl.run("create", "quota", "few", "--hard=count/secrets=0")
    eventually(lambda: (kubectl.get("quota", "few") or {}).get("status", {}).get("hard"))
    error = refusal(real, secret("hunter2-hunter2"), config_map("a"))
    assert error.message.startswith(
        'the cluster refused secret/s: secrets "s" is forbidden: exceeded quota: few, requested:'
    )
    assert error.where == "k8s/secret.yaml:1"
    assert (
        error.hint == f"kubectl describe resourcequota --namespace {real.namespace} says what is used and by what limit"
    )
    assert "a" in real.names()


def test_a_missing_right_is_named(
    real: World, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.run("create", "serviceaccount", "poor")
    kubectl.run("create", "role", "poor", "--verb=get,list,create,patch", "--resource=configmaps")
    kubectl.run("create", "role", "look", "--verb=get,list", "--resource=secrets")
    for role in ("poor", "look"):
        kubectl.run("create", "rolebinding", role, f"--role={role}", f"--serviceaccount={real.namespace}:poor")
    config = json.loads(kubectl.run("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": kubectl.run("create", "token", "poor").strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    door = cluster_door.connect(kubectl.context, real.namespace)
    error = refusal(World(real.scope, Recorder(door), real.namespace), secret("hunter2-hunter2"))
    assert "cannot patch resource" in error.message
    assert error.where == "k8s/secret.yaml:1"
    assert error.hint == f"ask for the right to patch Secret in namespace {real.namespace}"


class Webhook(http.server.ThreadingHTTPServer):
    """Admission reviews are answered with `verdict`; None hangs up."""

    verdict: dict[str, Any] | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):  # the API server hangs up, too
            super().finish_request(request, client_address)


class Review(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.verdict is None:
            return
        answer = {**asked, "response": {"uid": asked["request"]["uid"], **self.server.verdict}}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def webhook(real: World, kubectl: Kubectl, cluster: Cluster, tmp_path: Path) -> Iterator[Webhook]:
    """A validating webhook on this machine, asked of ConfigMaps in the test's namespace."""
    address = _this_machine(cluster)
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={address}"]
    argv += ["-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Webhook(("0.0.0.0", 0), Review)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    real.scope.spawn("webhook", lambda: server.serve_forever(0.05))
    name = f"{real.namespace}.example.com"
    kubectl.run("label", "namespace", real.namespace, f"webhook={real.namespace}")
    hook = {
        "name": name,
        "clientConfig": {
            "url": f"https://{address}:{server.server_address[1]}/",
            "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"webhook": real.namespace}},
        "objectSelector": {"matchLabels": {"asked": "yes"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    }
    configuration = manifest(POLICIES, "ValidatingWebhookConfiguration", name, webhooks=[hook])
    kubectl.apply(json.dumps(configuration.object))
    try:
        server.verdict = {"allowed": False, "status": {"message": "not yet"}}
        probe = json.dumps(asked("probe").object)
        eventually(lambda: "not yet" in _refused(kubectl, probe), timeout_s=30, what="the webhook is asked")
        yield server
    finally:
        real.cluster.delete(real.scope, ObjectRef(POLICIES, "ValidatingWebhookConfiguration", "", name))
        server.shutdown()
        server.server_close()


def _this_machine(cluster: Cluster) -> str:
    """The address by which the cluster's nodes reach this machine."""
    node = f"{cluster.kind_name}-control-plane"
    argv = ["docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}} {{end}}", node]
    found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        pytest.skip(f"{node} is no container of this machine's engine, so it cannot reach a webhook here")
    return found[0]


def asked(name: str) -> Manifest:
    return config_map(name, labels={"asked": "yes"})


def test_a_webhook_speaks_for_itself(real: World, webhook: Webhook) -> None:
    webhook.verdict = {"allowed": False, "status": {"message": "the field is immutable, says the webhook", "code": 422}}
    error = refusal(real, asked("a"), config_map("b"))
    assert error.message.startswith("the cluster refused configmap/a: admission webhook")
    assert error.message.endswith("denied the request: the field is immutable, says the webhook")
    assert (error.where, error.hint) == ("k8s/a.yaml:1", None)
    assert "b" in real.names()
    webhook.verdict = {"allowed": True}
    assert real.apply(asked("a"), config_map("b")).objects[0].is_changed


def test_a_webhook_that_does_not_answer_is_told_with_what_to_do(real: World, webhook: Webhook) -> None:
    webhook.verdict = None
    with pytest.raises(DevloopError, match="failed calling webhook") as told:
        real.apply(asked("a"))
    assert told.value.where == "k8s/a.yaml:1"
    assert "name its unit in `needs`" in (told.value.hint or "")
