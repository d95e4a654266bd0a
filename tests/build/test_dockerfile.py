"""What a Dockerfile reads from its context."""

from __future__ import annotations

import pytest

from devloop.build.dockerfile import parse, reads
from devloop.errors import StepFailed


def sources(text: str, target: str | None = None, **build_args: str) -> set[str]:
    return set(reads(parse(text), target, build_args).sources)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nCOPY x y /to/", {"x", "y"}),
        ("FROM a\nCOPY . .", {"."}),
        ("FROM a\nCOPY / .", {"."}),
        ("FROM a\nCOPY ./x/../y /to", {"y"}),
        ("FROM a\nCOPY ../up /to", {"up"}),
        ("FROM a\nADD x https://example.com/y /to/", {"x"}),
        ("FROM a\nADD https://github.com/a/b.git /to/", set()),
        ('FROM a\nCOPY ["with space", "b", "/to/"]', {"with space", "b"}),
        ("FROM a\nCOPY --chown=1:1 --chmod=755 x /to", {"x"}),
        ("FROM a\nCOPY --from=other x /to", set()),
        ("FROM a\ncopy *.py src/**/?.txt /to/", {"*.py", "src/**/?.txt"}),
        ("FROM a\nCOPY a \\\n  # a comment\n\n  b /to/", {"a", "b"}),
        ("# escape=`\nFROM a\nCOPY a `\n b /to/", {"a", "b"}),
        ("FROM a\nCOPY <<EOF /to\nCOPY not this\nEOF\nCOPY x /to", {"x"}),
        ("FROM a\nRUN <<-'A' cat <<B\n\tCOPY no /to\n\tA\nB\nCOPY x /to", {"x"}),
        ("FROM a\nRUN --mount=type=bind,source=req.txt,target=/r pip", {"req.txt"}),
        ("FROM a\nRUN --mount=target=/src make", {"."}),
        ("FROM a\nRUN --mount=type=bind,from=b,source=x,target=/r true", set()),
        ("FROM a\nRUN --mount=type=cache,target=/c --mount=type=secret,id=s true", set()),
        ("FROM a\nARG D=src\nCOPY $D/x ${D}/y /to/", {"src/x", "src/y"}),
        ("FROM a\nENV D=src E='two words'\nCOPY ${D:-other} /to/", {"src"}),
        ("FROM a\nCOPY ${NONE:-fallback} /to/", {"fallback"}),
        ("FROM a\nARG D=x\nCOPY ${D:+set} /to/", {"set"}),
        ("FROM a\nCOPY $FROM_BASE_IMAGE /to/", {"."}),
        ("ARG D=outer\nFROM a\nARG D\nCOPY $D /to/", {"outer"}),
        ("FROM a\nONBUILD COPY x /to", set()),
        ("FROM scratch", set()),
    ],
)
def test_sources_of_a_stage(text: str, expected: set[str]) -> None:
    assert sources(text) == expected


STAGES = """\
FROM a AS one
COPY one /
FROM one AS two
COPY two /
FROM b AS three
COPY --from=one /x /
COPY three /
FROM c
COPY --from=two /x /
RUN --mount=type=bind,from=three,target=/t true
COPY last /
"""


def test_only_stages_that_the_target_reaches_count() -> None:
    assert sources(STAGES, "one") == {"one"}
    assert sources(STAGES, "two") == {"one", "two"}
    assert sources(STAGES, "three") == {"one", "three"}
    assert sources(STAGES) == {"one", "two", "three", "last"}


def test_an_unused_stage_does_not_count() -> None:
    assert sources("FROM a AS unused\nCOPY unused /\nFROM b\nCOPY used /") == {"used"}


def test_build_arguments_win_over_defaults() -> None:
    assert sources("FROM a\nARG D=src\nCOPY $D /to/", D="other") == {"other"}


def test_bases_are_the_images_that_are_no_stages() -> None:
    found = reads(
        parse("ARG V=1\nFROM a:$V AS x\nFROM x\nCOPY --from=tools:2 /t /\nFROM scratch\nCOPY --from=1 / /"),
        None,
        {"V": "9"},
    )
    assert set(found.bases) == {"a:9", "tools:2"}


@pytest.mark.parametrize(
    ("text", "words"), [("", "no FROM"), ("COPY x y\nFROM a", "before the first FROM"), ("FROM\n", "names no image")]
)
def test_what_cannot_be_a_dockerfile_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(StepFailed, match=words) as raised:
        parse(text, "Dockerfile")
    assert raised.value.where
    assert raised.value.where.startswith("Dockerfile")
