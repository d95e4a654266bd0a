"""Files that helm does not load are told apart by helm's rules."""

from __future__ import annotations

import pytest

from devloop.render.helmignore import ignored


@pytest.mark.parametrize(
    ("rules", "path", "is_out"),
    [
        ("", "templates/a.yaml", False),
        ("", "templates/.a.swp", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", True),
        (".git/", ".git/HEAD", True),
        ("docs/", "docs", False),
        ("/secret.yaml", "secret.yaml", True),
        ("/secret.yaml", "charts/secret.yaml", False),
        ("ci/values.yaml", "ci/values.yaml", True),
        ("ci/values.yaml", "x/ci/values.yaml", False),
        ("ci/*", "ci/a/b", True),
        ("[ab].yaml", "b.yaml", True),
        ("[ab].yaml", "c.yaml", False),
        ("a?.txt", "ab.txt", True),
        ("# *.md", "a.md", False),
        ("**/x", "a/x", False),
        ("!*.yaml", "a.txt", True),
        ("!*.yaml", "a.yaml", False),
    ],
)
def test_a_path_is_in_or_out(rules: str, path: str, is_out: bool) -> None:
    assert ignored(rules)(path) is is_out
