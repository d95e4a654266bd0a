"""What a build reads from its context."""

from __future__ import annotations

import pytest

from devloop.build.dockerfile import parse
from devloop.build.sources import Reads, Source, reads
from devloop.errors import StepFailed

ALL = ""


def read(text: str, target: str | None = None, **build_args: str | None) -> Reads:
    return reads(parse(text), target, build_args)


def paths(text: str, target: str | None = None, **build_args: str | None) -> set[str]:
    return {source.path for source in read(text, target, **build_args).sources}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY x y /to/", {"x", "y"}),
        ("COPY . .", {ALL}),
        ("COPY / .", {ALL}),
        ("COPY ./x/../y/ /to", {"y"}),
        ("COPY ../up /to", {"up"}),
        ("COPY *.py a/?/b /to/", {"*.py", "a/?/b"}),
        ("COPY a[b /to/", {ALL}),
        ("copy x /to", {"x"}),
        ('COPY ["with space", "b", "/to/"]', {"with space", "b"}),
        ("COPY --chown=1:1 --chmod=755 --link x /to", {"x"}),
        ("COPY --from=other x /to", set()),
        ("COPY <<EOF x /to\nCOPY y /to\nEOF", {"x"}),
        ("RUN <<EOF\nCOPY y /to\nEOF", set()),
        ("ADD x.tar https://example.com/y git@github.com:a/b.git ssh://git@x/y /to/", {"x.tar"}),
        ("ADD https://github.com/a/b.git#main /to/", set()),
        ("RUN --mount=type=bind,source=req.txt,target=/r pip", {"req.txt"}),
        ("RUN --mount=src=req.txt,target=/r --mount=target=/s,source=b pip", {"req.txt", "b"}),
        ("RUN --mount=target=/src make", {ALL}),
        ("RUN --mount=type=bind,from=b,source=x,target=/r true", set()),
        ("RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=tmpfs,target=/t true", set()),
        ("ARG D=src\nCOPY $D/x ${D}/y /to/", {"src/x", "src/y"}),
        ("ARG A=1 B=$A\nCOPY $B /to/", {"1"}),
        ("ENV D=src E='two words'\nCOPY ${D:-other} $E /to/", {"src", "two words"}),
        ("ENV D old form\nCOPY $D /to/", {"old form"}),
        ("ENV A=1\nENV A=2 B=$A\nCOPY $B /to/", {"1"}),
        ("ENV A=1\nARG A=2\nCOPY $A /to/", {ALL}),
        ("ARG A=2\nENV A=1\nCOPY $A /to/", {"1"}),
        ("COPY $SET_BY_THE_BASE /to/", {ALL}),
        ("COPY ${NONE:-fallback} /to/", {ALL}),
        ("ARG NONE\nCOPY ${NONE:-fallback} /to/", {ALL}),
        ("ARG TARGETARCH\nCOPY bin-$TARGETARCH /to/", {ALL}),
        ("ONBUILD COPY x /to", set()),
        (r"COPY a\ b /to", {"a", "b"}),
        ("LABEL a=b\nHEALTHCHECK CMD true\nCMD x", set()),
    ],
)
def test_sources_of_a_stage(text: str, expected: set[str]) -> None:
    assert paths(f"FROM a\n{text}") == expected


def test_nothing_is_set_on_scratch() -> None:
    assert paths("FROM scratch\nCOPY ${NONE:-fallback} /to/") == {"fallback"}
    assert paths("ARG BASE=scratch\nFROM $BASE\nCOPY x$NONE /to/") == {"x"}


def test_parents_and_exclude_are_kept() -> None:
    found = read("FROM a\nCOPY --parents --exclude=*.md --exclude=b src/./lib/*.py /to/\nCOPY --parents x/y /to/")
    assert found.sources == (
        Source("src", 2, "lib/*.py", ("*.md", "b")),
        Source("", 3, "x/y"),
    )


STAGES = """\
FROM a AS one
COPY one /
FROM one AS two
COPY two /
FROM b AS three
COPY --from=ONE /x /
COPY three /
FROM c AS unused
COPY unused /
FROM d
COPY --from=1 /x /
COPY --from=tool:1 /x /
RUN --mount=type=bind,from=three,target=/t true
COPY last /
"""


@pytest.mark.parametrize(
    ("target", "expected", "images"),
    [
        ("one", {"one"}, {"a"}),
        ("two", {"one", "two"}, {"a"}),
        ("Three", {"one", "three"}, {"a", "b"}),
        ("1", {"one", "two"}, {"a"}),
        (None, {"one", "two", "three", "last"}, {"a", "b", "d", "tool:1"}),
    ],
)
def test_only_stages_that_the_target_reaches_count(target: str | None, expected: set[str], images: set[str]) -> None:
    assert paths(STAGES, target) == expected
    assert set(read(STAGES, target).images) == images


def test_a_stage_goes_on_with_the_variables_and_triggers_of_its_base() -> None:
    text = "FROM a AS base\nARG A=1\nENV B=2\nONBUILD COPY $A trigger /\nFROM base\nCOPY $B /"
    assert paths(text) == {"1", "2", "trigger"}


def test_arguments_before_the_first_stage_are_seen_where_they_are_declared() -> None:
    assert paths("ARG D=outer\nFROM a\nARG D\nCOPY $D /to/") == {"outer"}
    assert paths("ARG D=outer\nFROM scratch\nCOPY x$D /to/") == {"x"}
    assert read("ARG V=1\nFROM a:$V").images == ("a:1",)


def test_build_arguments_win_over_defaults() -> None:
    assert paths("FROM a\nARG D=src\nCOPY $D /to/", D="other") == {"other"}
    assert paths("ARG D=src\nFROM a\nARG D\nCOPY $D /to/", D="other") == {"other"}
    assert paths("FROM a\nCOPY x$D /to/", D="not declared") == {ALL}


def test_an_argument_that_is_known_only_later_may_stand_for_anything() -> None:
    assert paths("ARG BASE\nFROM $BASE\nCOPY x /", BASE=None) == {"x"}
    assert paths("FROM a\nARG BASE=d\nCOPY $BASE /", BASE=None) == {ALL}
    assert read("ARG BASE\nFROM $BASE", BASE=None).images == ()


def test_declared_arguments_are_told() -> None:
    assert read("ARG A\nFROM a\nARG B=1 C\nFROM b\nARG D").arguments == {"A", "B", "C", "D"}


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        ("docker/dockerfile:1", {"x"}),
        ("docker.io/docker/dockerfile@sha256:1", {"x"}),
        ("docker/dockerfile-upstream:master", {"x"}),
        ("someone/else:1", {ALL}),
    ],
)
def test_the_language_of_another_frontend_is_not_known(syntax: str, expected: set[str]) -> None:
    assert paths(f"# syntax={syntax}\nFROM a\nCOPY x /") == expected


def test_a_stage_that_is_not_there_is_an_error_with_what_was_meant() -> None:
    with pytest.raises(StepFailed, match="no stage thre") as caught:
        read(STAGES, "thre")
    assert caught.value.hint == "did you mean three?"


def test_a_copy_without_a_destination_is_an_error_with_its_line() -> None:
    with pytest.raises(StepFailed, match="needs a source and a destination") as caught:
        read("FROM a\n\nCOPY x")
    assert caught.value.where == "Dockerfile:3"


# Contexts that have a name


def named(text: str, target: str | None = None, **contexts: str) -> Reads:
    return reads(parse(text), target, contexts=contexts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nCOPY --from=lib a/b c* /to/", {("lib", "a/b"), ("lib", "c*")}),
        ("FROM lib", {("lib", ALL)}),
        ("FROM docker.io/library/lib:latest\nCOPY x /", {("lib", ALL), ("", "x")}),
        ("FROM a\nRUN --mount=from=lib,source=x,target=/x true", {("lib", "x")}),
        ("FROM a\nRUN --mount=type=cache,from=lib,source=x,target=/x true", {("lib", "x")}),
        ("FROM a\nRUN --mount=from=lib,target=$X true", {("lib", ALL)}),
        ("FROM a\nARG D=d\nCOPY --from=lib $D/x $UNKNOWN /", {("lib", "d/x"), ("lib", ALL)}),
        ("FROM lib AS one\nFROM scratch\nCOPY --from=one /x /", {("lib", ALL)}),
        ("FROM a AS one\nCOPY one /\nFROM scratch\nCOPY --from=other /x /", set()),
        # A stage of the name is left out, with all that only it needs.
        ("FROM a AS lib\nCOPY one /\nFROM scratch\nCOPY --from=lib /x /", {("lib", "x")}),
        ("FROM a AS lib\nCOPY one /\nFROM scratch\nCOPY --from=0 /x /", {("lib", "x")}),
        ("FROM a AS lib\nONBUILD COPY one /\nFROM lib\nCOPY two /", {("lib", ALL), ("", "two")}),
        ("FROM a AS lib\nCOPY one /", {("lib", ALL)}),
    ],
)
def test_a_named_context_is_read_where_its_name_stands(text: str, expected: set[tuple[str, str]]) -> None:
    found = named(text, lib="")
    assert {(source.context, source.path) for source in found.sources} == expected
    assert found.contexts == ({"lib"} if any(name == "lib" for name, _ in expected) else set())
    assert "lib" not in found.images


def test_the_image_that_a_context_stands_for_counts_in_its_place() -> None:
    text = "FROM golang:1.22 AS one\nFROM two\nCOPY --from=one / /\nRUN --mount=from=tools true"
    contexts = {"golang:1.22": "mine:1", "two": "two:2"}
    assert set(reads(parse(text), contexts=contexts).images) == {"mine:1", "two:2", "tools"}
    assert set(reads(parse(text), "one", contexts=contexts).images) == {"mine:1"}
    assert reads(parse(text), "one", contexts=contexts).contexts == {"golang:1.22"}


def test_what_replaces_a_stage_is_all_that_counts_of_it() -> None:
    text = "FROM a AS lib\nRUN --mount=from=tools true\nFROM scratch\nCOPY --from=lib / /"
    assert set(named(text).images) == {"a", "tools"}
    assert named(text, lib="mine:1").images == ("mine:1",)


def test_another_language_may_read_every_context() -> None:
    found = named("# syntax=someone/else:1\nFROM a\n", lib="", base="mine:1")
    assert {(source.context, source.path) for source in found.sources} == {(name, ALL) for name in ("", "lib", "base")}
    assert set(found.images) >= {"mine:1"}
    assert found.contexts == {"lib", "base"}
