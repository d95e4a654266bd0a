"""From a save to the new version's answer: `devloop dev` on examples/getting-started, on the current cluster.

Run: .venv/bin/python bench/edit.py [EDITS], with the cluster's kubeconfig in place. Prints the median and the spread of what a person
waits, by an HTTP client that asks all the time, and where devloop says the time went; and what `kind load docker-image` of the same
image takes in the same run, as the ratio that users of it know.
"""

from __future__ import annotations

import http.client
import json
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
    edits = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    context = subprocess.run(
        ["kubectl", "config", "current-context"], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=False, capture_output=True)
    with tempfile.TemporaryDirectory() as folder:
        project = shutil.copytree(EXAMPLE, Path(folder) / "getting-started")
        measure(project, edits, context)
    subprocess.run(["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"], check=False, capture_output=True)


def measure(project: Path, edits: int, context: str) -> None:
    devloop = str(Path(sys.executable).with_name("devloop"))
    process = subprocess.Popen(
        [devloop, "dev", "-n", NAMESPACE, "--output", "json"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        await_update(process, 1)
        waits, phases, ref = [], defaultdict(list), ""
        for number in range(edits):
            text = f"edit {number} {time.time_ns()}"
            began = time.perf_counter()
            (project / "message.txt").write_text(f"{text}\n")
            while ask() != text:
                time.sleep(0.005)
            waits.append(time.perf_counter() - began)
            event, ref = await_update(process, number + 2)
            for name, seconds in event["phases"].items():
                phases[name].append(seconds)
    finally:
        process.terminate()
        process.communicate()
    print(
        f"save → new version answers: median {statistics.median(waits):.2f} s, {min(waits):.2f}–{max(waits):.2f} s, n={edits}"
    )
    print("  of which " + ", ".join(f"{name} {statistics.median(each):.2f}" for name, each in phases.items()))
    if ref and shutil.which("kind"):
        subprocess.run(["docker", "tag", ref, f"{ref}-kind"], check=True)
        began = time.perf_counter()
        subprocess.run(
            ["kind", "load", "docker-image", f"{ref}-kind", "--name", context.removeprefix("kind-")],
            check=True,
            capture_output=True,
        )
        took = time.perf_counter() - began
        place = statistics.median(phases["place"])
        print(
            f"kind load docker-image of the same image: {took:.2f} s, {took / place:.1f} × devloop's place ({place:.2f} s)"
        )
        subprocess.run(["docker", "rmi", f"{ref}-kind"], check=False, capture_output=True)


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
