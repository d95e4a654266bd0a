"""Ten minutes of random edits, deletions, renames and branch switches over three artifacts whose builds fail and hang at random.

Run: .venv/bin/python -m bench.soak [MINUTES] [SEED], with DEVLOOP_TEST_CONTEXT or a test bed. At every pause the running containers
must hold exactly the files on disk. Prints how many edits, pauses and updates there were; exits 1 at the first lie.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.e2e.driver import Devloop
from tests.e2e.engine import remove_images
from tests.e2e.kube import Kubectl, create_namespace, find_cluster
from tests.e2e.soaking import Soak


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)
    cluster = find_cluster()
    os.environ.update(cluster.variables)
    namespace = f"soak-{seed}"
    create_namespace(cluster.context, namespace)
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / namespace
        home.mkdir()
        program = Path(sys.executable).with_name("devloop")
        environment = {"XDG_CACHE_HOME": f"{folder}/.cache"}
        devloop = Devloop([str(program)], home, environment, cluster.context, namespace)
        soak = Soak(
            home / "project",
            devloop,
            Kubectl(cluster.context, namespace),
            seed,
            lambda line: print(line, flush=True),
        )
        try:
            dev = soak.run(seconds=minutes * 60)
            updates = [each for each in dev.events if each["kind"] == "update" and each["state"] == "ready"]
            dev.interrupt()
            code = dev.wait().code
        except AssertionError as lie:
            sys.exit(f"LIE: {lie}")
        finally:
            devloop.close()
            remove_images(soak.images)
            Kubectl(cluster.context, "default").run("delete", "namespace", namespace, "--wait=false")
    took = statistics.median(each["duration_s"] for each in updates)
    print(
        f"{soak.edits} edits, {soak.pauses} pauses, {len(updates)} updates (median {took:.1f} s), 0 lies, exit {code}"
    )


if __name__ == "__main__":
    main()
