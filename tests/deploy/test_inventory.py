"""The inventory follows the ApplySet convention, and of two that write it at once both are heard."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from devloop.deploy.inventory import Inventory


def test_the_id_is_the_conventions() -> None:
    digest = hashlib.sha256(b"devloop-shop.dev.ConfigMap.").digest()
    expected = "applyset-" + base64.urlsafe_b64encode(digest).decode().rstrip("=") + "-v1"
    assert Inventory("shop", "dev").applyset == expected
    assert len(expected) <= 63


@pytest.mark.parametrize("project", ["shop", "my-app.v2", "My App", "ünï", "x" * 300, "-", "a_b"])
def test_any_project_name_makes_a_valid_object_name(project: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", Inventory(project, "dev").name)
    assert len(Inventory(project, "dev").name) <= 253


def test_names_that_differ_stay_different() -> None:
    names = ["my app", "my-app", "my_app", "My-App"]
    assert len({Inventory(each, "dev").name for each in names}) == len(names)
