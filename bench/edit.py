"""From a save to the new version's answer: `devloop dev` on examples/getting-started, on the current cluster.

Run: .venv/bin/python bench/edit.py [EDITS] [--production] [--overrides], with DEVLOOP_TEST_CONTEXT or the current context naming a cluster.
--production: with a manifest as production has it, three replicas, a probe after 5 s and every 10 s, and no word of grace periods and
surges; --overrides: with `devOverrides: fast`.
Prints the median and the spread of what a person
waits, by an HTTP client that asks all the time, and where devloop says the time went; and what `kind load docker-image` of the same
image takes in the same run, as the ratio that users of it know.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "getting-started"
PORT = 8080
NAMESPACE = "devloop-bench"


def main() -> None:
    edits = int(next((each for each in sys.argv[1:] if each.isdigit()), 10))
    context = os.environ.get("DEVLOOP_TEST_CONTEXT") or kubectl("config", "current-context")
    kubectl("--context", context, "create", "namespace", NAMESPACE)
    with tempfile.TemporaryDirectory() as folder:
        project = shutil.copytree(EXAMPLE, Path(folder) / "getting-started")
        if "--production" in sys.argv:
            make_for_production(project)
        if "--overrides" in sys.argv:
            config = project / "devloop.yaml"
            config.write_text(config.read_text() + "devOverrides: fast\n")
        measure(project, edits, context)
    kubectl("--context", context, "delete", "namespace", NAMESPACE, "--wait=false")


def make_for_production(project: Path) -> None:
    (manifest,) = (each for each in (project / "k8s").iterdir() if "kind: Deployment" in each.read_text())
    tuned = ("strategy:", "rollingUpdate:", "terminationGracePeriodSeconds:", "periodSeconds:")
    lines = manifest.read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.strip().startswith(tuned))
    probe = "httpGet: {path: /healthz, port: 8080}\n"
    assert "replicas: 1\n" in text
    assert probe in text
    text = text.replace("replicas: 1\n", "replicas: 3\n")
    manifest.write_text(text.replace(probe, f"{probe}            initialDelaySeconds: 5\n"))


def kubectl(*args: str) -> str:
    return subprocess.run(["kubectl", *args], check=False, capture_output=True, text=True).stdout.strip()


def measure(project: Path, edits: int, context: str) -> None:
    devloop = str(Path(sys.executable).with_name("devloop"))
    process = subprocess.Popen(
        [devloop, "dev", "--context", context, "-n", NAMESPACE, "--output", "json"],
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        await_update(process, 1)
        waits, updates, phases, ref = [], [], defaultdict(list), ""
        for number in range(edits):
            text = f"edit {number} {time.time_ns()}"
            began = time.perf_counter()
            (project / "message.txt").write_text(f"{text}\n")
            while ask() != text:
                time.sleep(0.005)
            waits.append(time.perf_counter() - began)
            event, ref = await_update(process, number + 2)
            updates.append(event["duration_s"])
            for name, seconds in event["phases"].items():
                phases[name].append(seconds)
    finally:
        process.terminate()
        process.communicate()
    print(
        f"save → new version answers: median {statistics.median(waits):.2f} s, {min(waits):.2f}–{max(waits):.2f} s, n={edits}"
    )
    print(f"save → the whole rollout is through: median {statistics.median(updates):.2f} s")
    print("  of which " + ", ".join(f"{name} {statistics.median(each):.2f}" for name, each in phases.items()))
    if ref and shutil.which("kind"):
        took = kind_load(ref, context.removeprefix("kind-"))
        place = statistics.median(phases["place"])
        print(
            f"kind load docker-image after a change like that: {took:.2f} s, {took / place:.0f} × devloop's place ({place:.2f} s)"
        )


def kind_load(ref: str, cluster: str) -> float:
    """Seconds that kind takes for an image with one more small layer, all others being on the node already."""
    tag = "devloop-bench/kind:1"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stamp").write_text(str(time.time_ns()))
        (Path(folder) / "Dockerfile").write_text(f"FROM {ref}\nCOPY stamp /stamp\n")
        subprocess.run(
            ["docker", "buildx", "build", "--load", "-q", "-t", tag, folder], check=True, capture_output=True
        )
    began = time.perf_counter()
    subprocess.run(["kind", "load", "docker-image", tag, "--name", cluster], check=True, capture_output=True)
    took = time.perf_counter() - began
    subprocess.run(["docker", "rmi", tag], check=False, capture_output=True)
    return took


def await_update(process: subprocess.Popen[str], number: int) -> tuple[dict[str, Any], str]:
    ref = ""
    assert process.stdout
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == "step" and event["step"] == "place" and event.get("result"):
            ref = event["result"]
        if event["kind"] == "update" and event["update"] == number and event["state"] != "started":
            if event["state"] == "failed":
                raise SystemExit(f"update {number} failed; run devloop dev in {EXAMPLE} to see why")
            return event, ref
    raise SystemExit("devloop dev ended early")


def ask() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


if __name__ == "__main__":
    main()
