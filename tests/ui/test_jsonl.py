"""The stream for programs, and what happens when its reader goes away."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from devloop.events import AnyEvent, Log, Step, Update, to_dict
from devloop.ui.jsonl import JsonLines
from devloop.ui.output import Output, wants_color


def test_every_event_is_one_line_of_json() -> None:
    events: list[AnyEvent] = [
        Step(at_s=0.5, update=1, step="build", target="image/a", state="finished", duration_s=1.25, evidence=("x\ny",)),
        Update(at_s=1.0, update=1, state="ready", phases={"build": 0.1}),
        Log(at_s=1.5, line="caf\xe9 \udcff \u2028"),
    ]
    stream = io.BytesIO()
    JsonLines(Output(stream)).show(events)
    lines = stream.getvalue().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [to_dict(event) for event in events]
    assert lines[0].startswith(b'{"v":1,"at_s":0.5,"update":1,"kind":"step","step":"build"')


def test_a_reader_that_goes_away_ends_the_output_quietly() -> None:
    script = """
        import sys
        from devloop.events import Log
        from devloop.ui.jsonl import JsonLines
        from devloop.ui.output import Output
        output = Output(sys.stdout.buffer)
        screen = JsonLines(output)
        while not output.is_closed:
            screen.show([Log(line="x" * 1000)])
        screen.show([Log(line="nobody reads this")])
        print("lived on", file=sys.stderr)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()
    assert (child.wait(), errors) == (0, b"lived on\n")


@pytest.mark.parametrize(
    ("environment", "on_file", "on_terminal"),
    [
        ({}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_for_terminals_unless_told_otherwise(
    tmp_path: Path, environment: dict[str, str], on_file: bool, on_terminal: bool
) -> None:
    with (tmp_path / "out").open("wb") as file:
        assert wants_color(file, environment) is on_file
    controller, terminal = os.openpty()
    with open(terminal, "wb", buffering=0) as stream, open(controller, "rb", buffering=0):
        assert wants_color(stream, environment) is on_terminal
