"""Which files templates ask for, and how charts from elsewhere are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.render.chart_source import Remote, of_dependency
from devloop.render.charts import Asked, Dependency, asked_in, asked_in_text, files

RANGE = '{{ range $p, $_ := .Files.Glob "conf/*" }}{{ $.Files.Get $p }}{{ end }}'


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("{{ .Values.Files }}{{ .Values.a }}", Asked(is_all=True)),  # rather too much than too little
        ("# Files of the shop", Asked()),
        ('{{ .Files.Get "a.toml" }}', Asked(globs=frozenset({"a.toml"}))),
        ('{{ $.Files.Get "a.toml" }}{{ (.Files.Glob `b/**`).AsConfig }}', Asked(globs=frozenset({"a.toml", "b/**"}))),
        (RANGE, Asked(globs=frozenset({"conf/*"}))),
        (RANGE.replace("Get $p", "Get $q"), Asked(is_all=True)),
        ("{{ .Files.Get .Values.name }}", Asked(is_all=True)),
        ('{{ .Files.Glob "{a,b}/*" }}', Asked(is_all=True)),
        ('{{ index . "Files" }}', Asked(is_all=True)),
        ("{{ $files := .Files }}", Asked(is_all=True)),
    ],
)
def test_what_a_template_asks_for(template: str, asked: Asked) -> None:
    assert asked_in_text(template) == asked


@pytest.mark.parametrize(
    ("pattern", "path", "is_asked"),
    [
        ("conf/*", "conf/a", True),
        ("conf/*", "conf/a/b", False),
        ("conf/**", "conf/a/b", True),
        ("conf/*", "conf", True),  # the folder, when it comes as a whole
        ("conf/a.?", "conf/a.b", True),
        ("conf/a.?", "conf/axb", False),
    ],
)
def test_globs_are_helms(pattern: str, path: str, is_asked: bool) -> None:
    assert Asked(globs=frozenset({pattern})).covers(path) is is_asked


def test_an_archive_that_cannot_be_read_may_ask_for_anything(tmp_path: Path) -> None:
    (tmp_path / "broken.tgz").write_text("no archive")
    assert asked_in(tmp_path / "broken.tgz").is_all
    assert asked_in(tmp_path / "missing.tgz").is_all


def test_a_link_that_leads_up_is_walked_once(tmp_path: Path) -> None:
    (tmp_path / "chart/sub").mkdir(parents=True)
    (tmp_path / "chart/a").touch()
    (tmp_path / "chart/sub/up").symlink_to("..")
    assert [each.relative_to(tmp_path).as_posix() for each in files(tmp_path / "chart")] == ["chart/a"]


@pytest.mark.parametrize(
    ("repository", "remote"),
    [
        ("https://charts.example.com", Remote("db", "https://charts.example.com", "^1")),
        ("oci://reg.example.com/charts/", Remote("oci://reg.example.com/charts/db", "", "^1")),
        ("@mine", Remote("mine/db", "", "^1")),
        ("alias:mine", Remote("mine/db", "", "^1")),
    ],
)
def test_where_a_dependency_comes_from(tmp_path: Path, repository: str, remote: Remote) -> None:
    assert of_dependency(tmp_path, Dependency("db", "^1", repository)) == remote


def test_a_password_in_a_repositorys_url_is_not_shown() -> None:
    assert (
        str(Remote("db", "https://me:secret@charts.example.com/x", "1.0.0"))
        == "db 1.0.0 of https://charts.example.com/x"
    )
