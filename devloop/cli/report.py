"""How a command reports: events to the screen that was asked for, and how it ended as an exit code.

Comes in: a command's body. Goes out: its exit code; every failure that a user can mend became an event on the way. It never
swallows a bug: that is raised once all events are written.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devloop import events
from devloop.bus import Bus
from devloop.cli import interrupts
from devloop.cli.options import Common, Output
from devloop.errors import Bug, ConfigError, DevloopError
from devloop.scope import Cancelled, Scope

INTERRUPTED = interrupts.EXIT_CODE
BUG = 3


@dataclass
class Report:
    """What a command's body reports to, and how it hears that it shall stop. `images`: artifact → ref, for the last event.

    `profiles`: those that the configuration was read with, and why.
    """

    emit: events.Emit
    clock: Callable[[], float]
    interrupts: interrupts.Interrupts
    images: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)

    def fail(self, error: DevloopError) -> None:
        """Tells of a failure; of a wrong configuration, each problem by itself, and first what may be behind them."""
        if isinstance(error, ConfigError):
            for text in error.notes:
                self.emit(events.Notice(message=text))
            for each in error.problems:
                self.emit(events.Error(message=each.message, hint=each.hint or "", where=each.where))
        else:
            self.emit(
                events.Error(
                    message=error.message, hint=error.hint or "", where=error.where or "", evidence=error.evidence
                )
            )


def reporting(common: Common, body: Callable[[Report], int], *, to_stderr: bool = False) -> int:
    """Runs the body with a screen; returns its exit code, or that of what it raised. Blocks until all is written."""
    began_s = time.monotonic()
    bus = Bus(lambda: time.monotonic() - began_s)
    emit = common.outside.masking(bus.emit)
    code = BUG
    with interrupts.listening() as asked, Scope("screen") as scope:
        report = Report(emit, lambda: time.monotonic() - began_s, asked)
        bus.subscribe(scope, _screen(common, to_stderr=to_stderr))
        try:
            code = body(report)
        except DevloopError as exc:
            report.fail(exc)
            code = exc.exit_code
        except Cancelled:
            if not asked.was_asked:
                raise  # nobody asked for it, so it is a bug
            code = INTERRUPTED
        except BrokenPipeError:
            raise
        except Exception as exc:  # noqa: BLE001 - raised again, without secrets
            raise _bug(exc, common.outside.shown) from None
        finally:
            emit(events.Session(state="ended", exit_code=code, images=report.images))
            bus.close()
    return code


def _bug(exc: Exception, shown: Callable[[str], str]) -> Bug:
    """`shown`: text without secrets."""
    import traceback

    return Bug(shown(f"{type(exc).__name__}: {exc}"), shown("".join(traceback.format_exception(exc))))


def _screen(common: Common, *, to_stderr: bool) -> Callable[..., None]:
    from devloop.ui import jsonl, output, terminal

    stream = sys.stderr.buffer if to_stderr else sys.stdout.buffer
    if common.output is Output.json:
        return jsonl.JsonLines(output.Output(stream)).show
    style = terminal.Style(
        is_color=output.wants_color(stream, os.environ),
        is_live=stream.isatty(),
        is_verbose=common.verbose > 0,
    )
    return terminal.Terminal(output.Output(stream), style).show
