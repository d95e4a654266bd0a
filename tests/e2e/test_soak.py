"""Law 1 under fire, in short; `bench/soak.py` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.soaking import Soak


@pytest.mark.timeout(600)
def test_at_every_pause_what_runs_is_what_is_on_disk(devloop: Devloop, kubectl: Kubectl, tmp_path: Path) -> None:
    soak = Soak(tmp_path / "soak", devloop, kubectl, seed=7)
    dev = soak.run(seconds=45)
    assert soak.pauses >= 3
    dev.interrupt()
    assert dev.wait().code == 130
