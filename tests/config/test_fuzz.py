"""Whatever is in the file: a project, or a ConfigError with positions in the file. Never anything else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from devloop.config import defaults, model, tree, validate
from devloop.config.decode import decode
from devloop.config.load import load
from devloop.config.paths import Positions
from devloop.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[2]
SEEDS = [
    path.read_bytes()
    for path in (
        *sorted((ROOT / "examples").glob("*/devloop.yaml")),
        *sorted((Path(__file__).parent / "bad").glob("*.yaml")),
    )
]
TOKENS = [
    *(
        b"\n",
        b"\n  ",
        b"\n- ",
        b": ",
        b"- ",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"'",
        b'"',
        b"|",
        b">",
        b"#",
        b"\t",
        b"\x00",
        b"\xff",
    ),
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!int ",
        b"!!binary ",
        b"!x ",
        b"%YAML 1.1\n",
        b"---\n",
        b"...\n",
        b"? ",
        b"~",
        b"null",
    ),
    *(
        b"true",
        b"0x",
        b"-1",
        b"99999999999999999999",
        b".inf",
        b'"\\0"',
        b'"\\ud800"',
        b'"\\UFFFFFFFF"',
        b"\xef\xbb\xbf",
    ),
    *(
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"!append ",
        b"!remove ",
        b"!replace ",
        b"profiles: [{name: dev}]\n",
        b"patches: [{path: /build, op: remove}]",
        b"image",
        b"custom:",
        b"requires:",
        b"needs: [a]",
        b"name: a",
        b"apiVersion: devloop/v1\n",
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A configuration with pieces cut out, doubled, swapped for another's, or put in."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        other = draw(st.sampled_from(SEEDS))
        offset = draw(st.integers(0, len(other)))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(TOKENS),
                st.just(data[start:end] * 2),
                st.just(other[offset : offset + 40]),
                st.binary(max_size=4),
            )
        )
        data = data[:start] + piece + data[end:]
    return data


def check_places(error: ConfigError, data: bytes) -> None:
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    assert error.problems
    for problem in error.problems:
        assert 1 <= problem.line <= lines
        assert 1 <= problem.column <= len(data) + 2
        assert str(problem).isprintable()


@settings(max_examples=600, deadline=None)
@given(mutated())
@example(b"a: &a [*a]")
@example(b"&a : *a")
@example(b"<<: {<<: {apiVersion: devloop/v1}}")
def test_no_text_breaks_what_needs_no_disk(data: bytes) -> None:
    try:
        parsed = tree.parse(data, "f")
    except ConfigError as exc:
        check_places(exc, data)
        return
    decoded = decode(parsed.root, model.Project)
    positions = Positions(parsed.root)
    findings = validate.check(defaults.fill(decoded.value, Path("/shop")), positions)
    problems = (*parsed.problems, *decoded.problems, *(positions.problem(each) for each in findings))
    if problems:
        check_places(ConfigError(problems), data)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated())
def test_no_text_breaks_the_loader(shop: Path, data: bytes) -> None:
    # A glob made by chance may mean the whole disk; that it then takes long is right.
    assume(not set(b"*?") & set(data))
    file = shop / "devloop.yaml"
    file.write_bytes(data)
    first = data.partition(b"\n")[0].decode(errors="replace")
    asked = first.removeprefix("# -p ").split(",") if first.startswith("# -p ") else []
    try:
        load(file, asked)
    except UsageError:  # a profile that is there no more
        assert asked
    except ConfigError as exc:
        check_places(exc, data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        tree.parse(data, "f")
    except ConfigError as exc:
        check_places(exc, data)
