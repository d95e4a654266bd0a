"""A builder apart from the engine: an edit goes live at the cost of the layer that it changes."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from pathlib import Path

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl


def test_an_edit_goes_live_at_the_cost_of_its_layer(
    devloop: Devloop, buildkit: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    image = f"devloop-test/{uuid.uuid4().hex[:12]}"
    script = 'set -e; id=$(docker create busybox:1.37); docker export "$id" | tar -x -C "$1"; docker rm "$id"'
    (tmp_path / "busybox").mkdir()
    subprocess.run(["sh", "-c", script, "-", str(tmp_path / "busybox")], check=True, capture_output=True)
    lines = ["FROM scratch", "COPY --from=busybox / /", "COPY text /", 'CMD ["sh", "-c", "cat /text; sleep 600"]']
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    (tmp_path / "text").write_text("one\n")
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": image}]},
            },
        },
    }
    (tmp_path / "web.json").write_text(json.dumps(deployment))
    spec = {"builder": buildkit, "buildContexts": {"busybox": "busybox"}}
    config = {
        "apiVersion": "devloop/v1",
        "build": {"artifacts": [{"image": image, "docker": spec}]},
        "deploy": [{"manifests": ["web.json"]}],
    }
    (tmp_path / "devloop.yaml").write_text(json.dumps(config))
    session = devloop.at(tmp_path).start("dev", "-n", kubectl.namespace)
    session.wait_event(kind="log", source="container", line="one")
    (tmp_path / "text").write_text("two\n")
    session.wait_event(kind="log", source="container", line="two")
    built = [each.get("note", "") for each in session.events if (each["kind"], each.get("step")) == ("step", "build")]
    notes = [note for note in built if "from the builder" in note]
    assert re.search(r"(\S+ .B) of \1 from the builder", notes[0])
    assert re.search(r"\d+ B of \S+ .B from the builder", notes[1])
