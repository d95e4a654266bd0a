"""A Dockerfile's text as stages of instructions."""

from __future__ import annotations

import pytest

from devloop.build import dockerfile
from devloop.build.dockerfile import Instruction
from devloop.errors import StepFailed


def only(text: str) -> Instruction:
    """The one instruction after `FROM a`."""
    (stage,) = dockerfile.parse(f"FROM a\n{text}").stages
    (found,) = stage.instructions
    return found


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("RUN a b", "a b"),
        ("run a", "a"),
        ("  RUN\t a  ", "a"),
        ("RUN a \\\n b", "a  b"),
        ("RUN a \\  \n b", "a  b"),
        ("RUN a \\\n# comment\n\n  # another\n b", "a  b"),
        ("RUN a \\\r\n b\r\n", "a  b"),
        ("RUN a \\\\\nRUN", "a \\\\"),
        ("RUN a \\\n\\\nb", "a b"),
    ],
)
def test_lines_are_joined(text: str, joined: str) -> None:
    found = dockerfile.parse(f"FROM a\n{text}").stages[0].instructions[0]
    assert (found.keyword, found.text) == ("RUN", joined)


def test_every_instruction_knows_its_lines() -> None:
    (stage,) = dockerfile.parse("# one\nFROM a\n\nRUN a \\\n  b\nRUN <<X cat\nc\nX\n\nENV a=b").stages
    assert stage.line == 2
    assert [(each.line, each.end) for each in stage.instructions] == [(4, 5), (6, 8), (10, 10)]


def test_directives_stand_at_the_top() -> None:
    parsed = dockerfile.parse("# syntax=docker/dockerfile:1 x\n# escape = `\nFROM a\nRUN a `\n b\\\nRUN c")
    assert (parsed.syntax, parsed.escape) == ("docker/dockerfile:1", "`")
    assert [each.text for each in parsed.stages[0].instructions] == ["a  b\\", "c"]


@pytest.mark.parametrize("before", ["\n", "# hello\n", "FROM x\n", "#unknown=1\n"])
def test_after_anything_else_a_directive_is_a_comment(before: str) -> None:
    assert dockerfile.parse(f"{before}# escape=`\nFROM a").escape == "\\"


def test_a_mark_of_the_byte_order_is_no_part_of_it() -> None:
    assert dockerfile.parse("\ufeff# escape=`\nFROM a").escape == "`"


def test_stages_have_names_in_lower_case_and_arguments_stand_before_them() -> None:
    parsed = dockerfile.parse("ARG A=1\nFROM --platform=$BUILDPLATFORM a AS Build\nFROM Build\nCOPY x y")
    assert [each.text for each in parsed.arguments] == ["A=1"]
    assert [(each.name, each.base) for each in parsed.stages] == [("build", "a"), ("", "Build")]
    assert [each.keyword for each in parsed.instructions()] == ["ARG", "COPY"]


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("COPY --from=a --link x y", ("--from=a", "--link"), "x y"),
        ("COPY --exclude='a b' --exclude=\"c\" x y", ("--exclude=a b", "--exclude=c"), "x y"),
        ("COPY --exclude=a\\ b x y", ("--exclude=a b",), "x y"),
        ("COPY -- --x y", (), "--x y"),
        ("RUN --mount=type=bind,source=a,target=/b \\\n make", ("--mount=type=bind,source=a,target=/b",), "make"),
        ("COPY x --y", (), "x --y"),
    ],
)
def test_flags_come_first(text: str, flags: tuple[str, ...], rest: str) -> None:
    found = only(text)
    assert (found.flags, found.text) == (flags, rest)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('COPY <<A <<"B" /x\n1\nA\n2\nB', {"A", "B"}),
        ("RUN <<-A cat\n\t\tone\n\tA", {"A"}),
        ("RUN 3<< A cat\nA", {"A"}),
        ("ONBUILD COPY <<A /x\nA", {"A"}),
        ("RUN echo '<<A'", set()),
        ("RUN echo a<<A", set()),
        ('COPY ["<<A", "/x"]', set()),
        ("ENV A=<<B", set()),
    ],
)
def test_heredocs_are_no_instructions(text: str, names: set[str]) -> None:
    assert only(text).heredocs == names


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "no FROM", None),
        ("# only\n", "no FROM", None),
        ("ARG A\nRUN x\nFROM a", "before the first FROM", 2),
        ("FROM a b", "not understood", 1),
        ("\nFROM a AS 1x", "cannot name a stage", 2),
        ("FROM a\nRUN <<A\nb", "nothing ends the heredoc A", 2),
        ("# escape=x\nFROM a", "escape", 1),
    ],
)
def test_what_no_build_understands_is_an_error_with_its_line(text: str, message: str, line: int | None) -> None:
    with pytest.raises(StepFailed, match=message) as caught:
        dockerfile.parse(text, "api/Dockerfile")
    assert caught.value.where == ("api/Dockerfile" if line is None else f"api/Dockerfile:{line}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("a='b c' d", ["a='b c'", "d"]),
        ('a="b \\" c" d', ['a="b \\" c"', "d"]),
        ("a=b\\ c d", ["a=b\\ c", "d"]),
        ("a='b", ["a='b"]),
    ],
)
def test_words_keep_their_quotes(text: str, expected: list[str]) -> None:
    assert dockerfile.words(text, "\\") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ('["a b", "c"]', ["a b", "c"]),
        ("[a] b", ["[a]", "b"]),
        ('"a b" c', ['"a', 'b"', "c"]),
    ],
)
def test_copy_takes_a_list_or_words_between_spaces(text: str, expected: list[str]) -> None:
    assert dockerfile.arguments(text) == expected
