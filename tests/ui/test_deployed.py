"""Differences, objects and revisions as people see them."""

from __future__ import annotations

import pytest

from devloop.events import Difference, Owned, Removed, Revision
from devloop.ui import deployed

DIFFERENCE = Difference(
    action="change",
    resource="deployment/web",
    api_version="apps/v1",
    namespace="shop",
    unit="k8s",
    source="k8s/web.yaml:1",
    why="is rendered differently",
    diff=("--- a", "+++ b", "@@ -1 +1 @@", " x", "-old", "+new"),
)
OWNED = Owned(
    project="shop/p",
    unit="k8s",
    resource="deployment/web",
    api_version="apps/v1",
    namespace="shop",
    source="k8s/web.yaml",
    state="waiting",
    why="0 of 1 pods ready",
    age_s=300,
    images=("web:1",),
    kept="it was there before devloop",
)
REVISION = Revision(
    unit="k8s",
    resource="deployment/web",
    namespace="shop",
    revision=2,
    is_current=True,
    age_s=5,
    images=("web:1",),
    digest="0123456789",
)


def plain(_style: str, text: str) -> str:
    return text


def marked(style: str, text: str) -> str:
    return f"<{style}>{text}"


def lines(event: Difference | Owned | Revision | Removed, *, is_verbose: bool = False) -> list[str]:
    return list(deployed.lines(event, plain, is_verbose=is_verbose))


def test_a_difference_says_first_what_would_be_done_why_and_where() -> None:
    head, *rest = lines(DIFFERENCE)
    assert head == "~ change deployment/web in shop  is rendered differently, k8s/web.yaml:1, unit k8s"
    assert rest == list(DIFFERENCE.diff)


def test_a_diff_has_its_colors() -> None:
    _, *rest = deployed.lines(DIFFERENCE, marked, is_verbose=False)
    assert rest == ["<bold>--- a", "<bold>+++ b", "<cyan>@@ -1 +1 @@", " x", "<red>-old", "<green>+new"]


def test_an_object_is_a_row_and_its_images() -> None:
    head, image = lines(OWNED)
    assert " ".join(head.split()) == (
        "deployment/web shop k8s waiting 5 min ago k8s/web.yaml 0 of 1 pods ready, stays on delete: it was there before devloop"
    )
    assert image.strip() == "web:1"
    assert lines(OWNED, is_verbose=True)[-1].strip() == "apps/v1, project shop/p"


def test_a_revision_is_a_row() -> None:
    (row,) = lines(REVISION)
    assert " ".join(row.split()) == "deployment/web 2 5 s ago web:1 devloop 01234567 current"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Removed(state="deleted", resource="pod/a", api_version="v1", namespace="n"), "- deleted pod/a in n"),
        (Removed(state="would delete", resource="namespace/n", api_version="v1"), "- would delete namespace/n"),
        (Removed(state="kept", resource="pod/a", api_version="v1", why="w"), "! kept pod/a: w"),
    ],
)
def test_what_was_deleted_or_kept_is_a_line(event: Removed, line: str) -> None:
    assert lines(event) == [line]
