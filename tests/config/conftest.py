"""A folder with what the configurations of these tests name on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = (
    "Dockerfile",
    "Dockerfile.dev",
    "build.sh",
    "dev.yaml",
    "api/Dockerfile",
    "web/dev.Dockerfile",
    "web/dev.Dockerfile.dockerignore",
    "k8s/api.yaml",
    "k8s/web.yaml",
    "k8s/more/job.yaml",
    "overlays/dev/kustomization.yaml",
    "chart/Chart.yaml",
    "charts/db/Chart.yaml",
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder without a devloop.yaml; it is the current one."""
    folder = tmp_path / "shop"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    return folder
