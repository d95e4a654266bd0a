"""Findings of `devloop doctor` as people see them."""

from __future__ import annotations

from devloop.events import Check
from devloop.ui import findings


def plain(_style: str, text: str) -> str:
    return text


def test_what_is_well_is_one_line() -> None:
    found = Check(subject="cluster", verdict="ok", found="it answers", where="https://127.0.0.1:6443")
    assert list(findings.check(found, plain)) == ["ok       cluster        it answers (https://127.0.0.1:6443)"]


def test_what_is_not_says_what_to_do() -> None:
    found = Check(subject="helm", verdict="problem", found="helm is not installed", fix="install Helm")
    assert list(findings.check(found, plain)) == [
        "problem  helm           helm is not installed",
        "  next: install Helm",
    ]
