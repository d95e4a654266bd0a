"""The Docker engine as the docker CLI shows it: an eye, and a broom, that share no code with devloop."""

from __future__ import annotations

import json
import subprocess


def remove_images(prefix: str) -> None:
    """Removes all images whose name begins with the prefix and a slash, whatever uses them. Raises: AssertionError."""
    listed = _docker("images", "--filter", f"reference={prefix}/*", "--format", "{{.Repository}}:{{.Tag}}")
    names = [name for name in listed.split() if not name.endswith(":<none>")]
    if names:
        _docker("rmi", "--force", *names)


def layers(ref: str) -> list[str]:
    """The layers of an image, base first."""
    found = json.loads(_docker("image", "inspect", ref))[0]["RootFS"]["Layers"]
    assert isinstance(found, list)
    return found


def _docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {args[0]}: {done.stderr.strip()}"
    return done.stdout
