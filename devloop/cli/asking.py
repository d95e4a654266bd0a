"""A question to the person at the terminal.

Comes in: a question, the answers there are. Goes out: the one that was given. It blocks until a line is entered, and is let go by the
scope; a terminal that is closed answers nothing, which is an error of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from devloop import events
from devloop.cli import typed
from devloop.config import names
from devloop.errors import UsageError
from devloop.scope import Scope


class Terminal:
    """Asks on the screen that events go to, and reads from a descriptor."""

    def __init__(self, scope: Scope, emit: events.Emit, descriptor: int = 0) -> None:
        self._scope = scope
        self._emit = emit
        self._descriptor = descriptor

    def choose(self, question: str, choices: Sequence[str]) -> int:
        """The index of the choice: its number was entered, or nothing for the first. Asks again for anything else."""
        while True:
            listed = "; ".join(f"{number} {each}" for number, each in enumerate(choices, start=1))
            self._emit(events.Notice(message=question, hint=f"{listed} [1]", is_answer=True))
            text = self._line().strip()
            if not text:
                return 0
            if 0 < (chosen := names.number(text) or 0) <= len(choices):
                return chosen - 1

    def confirms(self, question: str) -> bool:
        """Whether the answer is yes, which is what nothing means."""
        self._emit(events.Notice(message=question, hint="[Y/n]", is_answer=True))
        return self._line().strip().lower() in ("", "y", "yes")

    def _line(self) -> str:
        found = typed.line(self._scope, self._descriptor)
        if found is None:
            raise UsageError("the terminal was closed before an answer", hint="run it again, or with --yes")
        return found
