"""The text for people, as whole screens."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from devloop.events import AnyEvent, Error, Forward, Log, Notice, Session, Step, Update
from devloop.ui.output import Output
from devloop.ui.terminal import Style, Terminal

SESSION: list[AnyEvent] = [
    Session(state="started", command="dev", project="shop", context="kind-dev", namespace="default"),
    Update(update=1, state="started", changed=("first run",), targets=("deploy/api", "image/shop/api")),
    Step(update=1, step="build", target="image/shop/api", state="started", reason="first time in this session"),
    Log(source="build", target="image/shop/api", line="#5 RUN pip install"),
    Step(
        update=1,
        step="build",
        target="image/shop/api",
        state="finished",
        reason="first time in this session",
        duration_s=12.34,
        result="shop/api:0123456789abcdef",
    ),
    Step(update=1, step="place", target="image/shop/api", state="skipped", reason="the node has it", duration_s=0.01),
    Step(update=1, step="build", target="image/shop/web", state="skipped", reason="the engine has it", duration_s=0.01),
    Step(update=1, step="place", target="image/shop/web", state="skipped", reason="the node has it", duration_s=0.01),
    Step(update=1, step="apply", target="deploy/api", state="started", reason="first time in this session"),
    Step(
        update=1,
        step="apply",
        target="deploy/api",
        state="finished",
        reason="first time in this session",
        duration_s=0.051,
        note="2 objects written, 1 unchanged",
    ),
    Update(
        update=1,
        state="ready",
        changed=("first run",),
        duration_s=13.9,
        phases={"build": 12.34, "apply": 0.05, "ready": 1.5},
    ),
    Session(state="watching"),
    Forward(resource="deployment/api", port="8080", local_port=8080, state="listening"),
    Forward(resource="deployment/api", port="8080", local_port=8080, state="connected", pod="api-1"),
    Log(namespace="default", pod="api-1", container="api", line="listening on :8080"),
    Update(update=2, state="started", changed=("src/app.py",), targets=("image/shop/api",)),
    Step(update=2, step="build", target="image/shop/api", state="started", reason="src/app.py changed"),
    Step(
        update=2,
        step="build",
        target="image/shop/api",
        state="cancelled",
        reason="src/b.py changed meanwhile",
        duration_s=0.4,
    ),
    Step(update=2, step="build", target="image/shop/api", state="started", reason="src/b.py changed"),
    Log(source="build", target="image/shop/api", line="#6 SyntaxError: invalid syntax"),
    Step(
        update=2,
        step="build",
        target="image/shop/api",
        state="failed",
        reason="src/b.py changed",
        duration_s=0.612,
        error="the build failed: RUN python -m compileall .",
        hint="mend src/b.py",
        where="Dockerfile:4",
    ),
    Update(update=2, state="failed", changed=("src/app.py", "src/b.py"), duration_s=1.1, phases={"build": 1.1}),
    Step(update=3, step="apply", target="deploy/api", state="skipped", reason="renders the same"),
    Step(
        update=3,
        step="ready",
        target="deploy/api",
        state="failed",
        error="pod/api-2 container api: CrashLoopBackOff",
        evidence=("Traceback:\n  boom", "exit code 1"),
    ),
    Update(
        update=3,
        state="ready",
        changed=("a.py", "b.py", "c.py", "d.py", "e.py"),
        duration_s=1.42,
        phases={"detected": 0.02, "build": 0.61, "place": 0.21, "render": 0.0, "apply": 0.05, "ready": 0.53},
    ),
    Notice(message="cannot watch files natively", hint="raise the limit", where="/src"),
    Error(message="unknown field 'imge'", hint="did you mean 'image'?", where="devloop.yaml:4:7"),
    Forward(resource="service/db", port="pg", local_port=5432, state="failed", error="the port is taken"),
    Session(state="stopping"),
    Session(state="ended", exit_code=130),
]

PLAIN = """\
devloop dev · shop · context kind-dev · namespace default
✓ build shop/api 12s  first time in this session → shop/api:0123456789abcdef
✓ apply api 0.05s  first time in this session (2 objects written, 1 unchanged)
= unchanged: shop/web
update 1 live in 13.90s (build 12.34 · apply 0.05 · ready 1.50)  first run
watching for changes; Ctrl-C ends
→ http://127.0.0.1:8080 deployment/api:8080
[api] listening on :8080
○ build shop/api cancelled 0.40s  src/b.py changed meanwhile
✗ build shop/api: the build failed: RUN python -m compileall . (Dockerfile:4)  0.61s, src/b.py changed
  next: mend src/b.py
    #6 SyntaxError: invalid syntax
update 2 failed after 1.10s (build 1.10)  changed src/app.py, src/b.py
✗ ready api: pod/api-2 container api: CrashLoopBackOff
  next: mend it and save: devloop tries again
    Traceback:
      boom
    exit code 1
update 3 live in 1.42s (detected 0.02 · build 0.61 · place 0.21 · render 0 · apply 0.05 · ready 0.53)  changed a.py, b.py, c.py and 2 more
! cannot watch files natively (/src)
  raise the limit
devloop.yaml:4:7: error: unknown field 'imge'
  next: did you mean 'image'?
✗ forward 127.0.0.1:5432 → service/db:pg: the port is taken
stopping
interrupted
"""

VERBOSE_START = """\
devloop dev · shop · context kind-dev · namespace default
update 1 started  first run
… build shop/api  first time in this session
[shop/api] #5 RUN pip install
✓ build shop/api 12s  first time in this session → shop/api:0123456789abcdef
= place shop/api skipped  the node has it
= build shop/web skipped  the engine has it
= place shop/web skipped  the node has it
… apply api  first time in this session
✓ apply api 0.05s  first time in this session (2 objects written, 1 unchanged)
update 1 live in 13.90s (build 12.34 · apply 0.05 · ready 1.50)  first run
watching for changes; Ctrl-C ends
→ http://127.0.0.1:8080 deployment/api:8080
→ 127.0.0.1:8080 deployment/api:8080 connected to pod api-1
"""


def shown(events: Sequence[AnyEvent], style: Style | None = None) -> str:
    stream = io.BytesIO()
    Terminal(Output(stream), style or Style()).show(events)
    return stream.getvalue().decode()


def test_a_session_reads_as_one_line_a_step_and_a_block_a_failure() -> None:
    assert shown(SESSION) == PLAIN


def test_the_batches_that_events_come_in_do_not_matter() -> None:
    stream = io.BytesIO()
    terminal = Terminal(Output(stream))
    for event in SESSION:
        terminal.show([event])
    assert stream.getvalue().decode() == PLAIN


def test_verbose_shows_starts_skips_build_output_and_ports() -> None:
    assert shown(SESSION, Style(is_verbose=True)).startswith(VERBOSE_START)


def test_a_person_who_watches_sees_what_begins() -> None:
    text = shown(SESSION, Style(is_live=True))
    assert "… build shop/api  src/app.py changed\n" in text
    assert [line for line in text.splitlines() if not line.startswith("… ")] == PLAIN.splitlines()


def test_colours_add_nothing_but_colours() -> None:
    import re

    colored = shown(SESSION, Style(is_color=True))
    assert colored.count("\x1b[0m") == len(re.findall(r"\x1b\[[1-9]\d*m", colored))
    assert re.sub(r"\x1b\[\d+m", "", colored) == PLAIN
    assert "\x1b" not in shown(SESSION)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("auto", "[api] hi\n"),
        ("container", "[api] hi\n"),
        ("pod", "[api-1] hi\n"),
        ("podAndContainer", "[api-1 api] hi\n"),
        ("none", "hi\n"),
    ],
)
def test_log_lines_have_the_prefix_asked_for(prefix: str, expected: str) -> None:
    line = Log(pod="api-1", container="api", line="hi")
    assert shown([line, Session(state="configured", log_prefix=prefix), line]) == f"[api] hi\n{expected}"


def test_a_pod_keeps_its_colour_and_its_own_colours_end_with_the_line() -> None:
    lines: list[AnyEvent] = [
        Log(pod="api-1", container="api", line="\x1b[31mred"),
        Log(pod="api-2", container="api", line="plain"),
        Log(pod="api-1", container="api", line="plain"),
    ]
    first, _, third = shown(lines, Style(is_color=True)).splitlines()
    assert first.endswith("red\x1b[0m")
    assert first.split("[api]")[0] == third.split("[api]")[0] != ""
    assert shown(lines, Style(is_color=True)) == shown(lines, Style(is_color=True))


def test_a_log_line_keeps_its_bytes() -> None:
    stream = io.BytesIO()
    line = b"\xff caf\xc3\xa9".decode("utf-8", "surrogateescape")
    configured = Session(state="configured", log_prefix="none")
    Terminal(Output(stream)).show([configured, Log(pod="p", container="c", line=line)])
    assert stream.getvalue() == b"\xff caf\xc3\xa9\n"


def test_build_output_of_an_earlier_build_is_no_evidence() -> None:
    text = shown(
        [
            Step(step="build", target="image/a", state="started"),
            Log(source="build", target="image/a", line="old"),
            Step(step="build", target="image/a", state="cancelled"),
            Step(step="build", target="image/a", state="started"),
            *(Log(source="build", target="image/a", line=f"new {i}") for i in range(30)),
            Step(step="build", target="image/a", state="failed", error="exit code 1"),
        ]
    )
    assert text.splitlines() == [
        "○ build a cancelled",
        "✗ build a: exit code 1",
        "  next: mend it and run devloop again",
        *(f"    new {i}" for i in range(10, 30)),
    ]


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        ("run", 0, "done in 3.0s\n"),
        ("dev", 0, "stopped\n"),
        ("build", 0, "shop/api → shop/api:1\ndone in 3.0s\n"),
        ("run", 1, "failed after 3.0s: build shop/api\n"),
        ("run", 130, "interrupted\n"),
    ],
)
def test_the_last_line_says_how_it_ended(command: str, code: int, expected: str) -> None:
    began: AnyEvent = Session(state="started", command=command)
    failed: AnyEvent = Step(step="build", target="image/shop/api", state="failed", error="boom")
    ended: AnyEvent = Session(at_s=3.0, state="ended", exit_code=code, images={"shop/api": "shop/api:1"})
    events = [began, failed, ended] if code == 1 else [began, ended]
    assert shown(events).endswith(expected)
    assert shown([began, ended]).count("\n") <= 3


def test_a_question_that_is_answered_by_the_exit_code_has_no_last_line() -> None:
    ended = Session(at_s=3.0, state="ended", exit_code=1)
    assert shown([ended]) == ""
    assert "failed after" in shown([Error(message="so it goes"), ended])


def test_tests_that_passed_before_are_an_answer_only_to_who_asked_for_them() -> None:
    def told(command: str) -> str:
        skipped = [
            Step(update=1, step="build", target="image/shop/api", state="skipped", reason="the engine has it"),
            Step(update=1, step="test", target="test/shop/api", state="skipped", reason="passed before"),
        ]
        return shown([Session(state="started", command=command), *skipped, Update(update=1, state="ready")])

    assert "= test shop/api skipped  passed before" in told("test")
    assert "test shop/api" not in told("run")
    assert "= unchanged: shop/api\n" in told("run")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.004, "0.00s"),
        (0.994, "0.99s"),
        (0.999, "1.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (125.0, "2m05s"),
    ],
)
def test_durations_are_as_fine_as_they_need_to_be(seconds: float, expected: str) -> None:
    text = shown([Step(step="build", target="image/a", state="finished", duration_s=seconds)])
    assert text == f"✓ build a {expected}\n"


def test_an_answer_looks_like_no_warning() -> None:
    asked = Notice(message="devloop.yaml is valid", hint="devloop dev", is_answer=True)
    assert shown([asked]) == "devloop.yaml is valid\n  devloop dev\n"
