"""Refs as the values that charts take them in."""

from __future__ import annotations

import pytest

from devloop.config.model import HelmImage
from devloop.render import helm_words

DIGEST = "sha256:" + "0" * 64
WHOLE = HelmImage("a", value="v")
SPLIT = HelmImage("a", repository="r", tag="t")
THREE = HelmImage("a", registry="g", repository="r", tag="t")
PINNED = HelmImage("a", repository="r", tag="t", digest="d")


@pytest.mark.parametrize(
    ("image", "ref", "values"),
    [
        (WHOLE, "shop/api:12", {"v": "shop/api:12"}),
        (WHOLE, f"localhost:5000/api@{DIGEST}", {"v": f"localhost:5000/api@{DIGEST}"}),
        (SPLIT, "shop/api:12", {"r": "shop/api", "t": "12"}),
        (SPLIT, "localhost:5000/api:12", {"r": "localhost:5000/api", "t": "12"}),
        (SPLIT, f"localhost:5000/api@{DIGEST}", {"r": "localhost:5000/api@sha256", "t": "0" * 64}),
        (THREE, "api:12", {"g": "docker.io", "r": "api", "t": "12"}),
        (THREE, "ghcr.io/acme/api:12", {"g": "ghcr.io", "r": "acme/api", "t": "12"}),
        (THREE, f"localhost:5000/api@{DIGEST}", {"g": "localhost:5000", "r": "api@sha256", "t": "0" * 64}),
        (PINNED, "shop/api:12", {"r": "shop/api", "t": "12", "d": ""}),
        (PINNED, f"reg.io/api@{DIGEST}", {"r": "reg.io/api", "t": "devloop", "d": DIGEST}),
        (HelmImage("a", repository="r"), "shop/api:12", {"r": "shop/api:12"}),
        (HelmImage("a", repository="r"), f"reg.io/api@{DIGEST}", {"r": f"reg.io/api@{DIGEST}"}),
    ],
)
def test_a_ref_is_taken_apart_as_the_chart_puts_it_together(image: HelmImage, ref: str, values: dict[str, str]) -> None:
    words = helm_words.image_values([image], {"a": ref})
    assert words[::2] == ["--set-string"] * len(values)
    assert dict(each.split("=", 1) for each in words[1::2]) == values


def test_an_artifact_without_a_ref_is_left_out() -> None:
    assert helm_words.image_values([WHOLE], {}) == []
