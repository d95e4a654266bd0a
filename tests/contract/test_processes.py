"""What every door to other programs promises: the same tests for the shipped fake and for the real one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.scope import Cancelled, Scope
from devloop.stages import Processes
from devloop.testing.processes import Call, FakeProcesses, Reply


class Real:
    """Runs each part as a Python program."""

    processes: Processes = RealProcesses()

    def program(self, *, stdout: str = "", stderr: str = "", code: int = 0, blocks: bool = False) -> Sequence[str]:
        source = (
            f"import sys, time; sys.stdout.write({stdout!r}); sys.stdout.flush(); sys.stderr.write({stderr!r})\n"
            f"while {blocks}: time.sleep(1)\nsys.exit({code})"
        )
        return (sys.executable, "-I", "-c", source)

    def echo(self) -> Sequence[str]:
        return (sys.executable, "-I", "-c", "import sys; sys.stdout.write(sys.stdin.read())")


class Fake:
    """Tells the fake to do what the real program would."""

    def __init__(self) -> None:
        self.fake = FakeProcesses()
        self.processes: Processes = self.fake
        self._count = 0

    def program(self, *, stdout: str = "", stderr: str = "", code: int = 0, blocks: bool = False) -> Sequence[str]:
        self._count += 1
        until = threading.Event() if blocks else None
        self.fake.when("program", str(self._count), stdout=stdout, stderr=stderr, code=code, until=until)
        return ("program", str(self._count))

    def echo(self) -> Sequence[str]:
        def reply(call: Call) -> Reply:
            return Reply(stdout=call.stdin.decode())

        self.fake.when("echo", does=reply)
        return ("echo",)


World = Real | Fake


@pytest.fixture(params=[Fake, Real])
def world(request: pytest.FixtureRequest) -> World:
    made: World = request.param()
    return made


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


def test_output_is_kept_whole_when_nobody_takes_the_lines(world: World, scope: Scope) -> None:
    done = world.processes.run(scope, world.program(stdout="one\ntwo\n", stderr="three\n"))
    assert (done.code, done.stdout) == (0, "one\ntwo\n")
    assert sorted(done.tail) == ["one", "three", "two"]


def test_each_line_of_both_streams_is_given_without_its_end(world: World, scope: Scope) -> None:
    lines: list[str] = []
    done = world.processes.run(scope, world.program(stdout="one\n\ntwo", stderr="three\n"), on_line=lines.append)
    assert sorted(lines) == ["", "one", "three", "two"]
    assert done.stdout == ""


def test_a_failure_carries_the_command_the_code_and_the_last_twenty_lines(world: World, scope: Scope) -> None:
    argv = world.program(stderr="".join(f"line {i}\n" for i in range(30)), code=3)
    with pytest.raises(StepFailed) as caught:
        world.processes.run(scope, argv)
    assert caught.value.message.startswith(argv[0])
    assert caught.value.message.endswith("exit code 3")
    assert caught.value.evidence == tuple(f"line {i}" for i in range(10, 30))


def test_a_failure_is_an_answer_when_it_is_not_checked(world: World, scope: Scope) -> None:
    assert world.processes.run(scope, world.program(code=3), check=False).code == 3


@pytest.mark.parametrize("stdin", [b"a\nb\n", iter([b"a\n", b"b\n"])], ids=["bytes", "iterator"])
def test_input_reaches_the_program(world: World, scope: Scope, stdin: bytes | Iterator[bytes]) -> None:
    given = stdin if isinstance(stdin, bytes) else iter([b"a\n", b"b\n"])
    assert world.processes.run(scope, world.echo(), stdin=given).stdout == "a\nb\n"


def test_without_input_the_program_reads_nothing(world: World, scope: Scope) -> None:
    assert world.processes.run(scope, world.echo()).stdout == ""


def test_secrets_are_masked_in_output_lines_evidence_and_command(world: World, scope: Scope) -> None:
    lines: list[str] = []
    argv = [*world.program(stdout="key is s3cret\n", code=1), "--token=s3cret"]
    with pytest.raises(StepFailed) as caught:
        world.processes.run(scope, argv, secrets=["s3cret"], on_line=lines.append)
    done = world.processes.run(scope, argv, secrets=["s3cret"], check=False)
    everything = f"{lines} {caught.value.message} {caught.value.evidence} {done.stdout} {done.tail} {done.command}"
    assert "s3cret" not in everything
    assert "--token=***" in done.command


def test_a_folder_other_than_ours_is_part_of_the_command(world: World, scope: Scope, tmp_path: Path) -> None:
    argv = world.program()
    assert world.processes.run(scope, argv, cwd=tmp_path).command.startswith(f"cd {tmp_path} && {argv[0]}")
    assert world.processes.run(scope, argv, cwd=Path.cwd()).command.startswith(argv[0])


@pytest.mark.parametrize("name", ["helm-that-is-not-there", "kustomize-that-is-not-there"])
def test_a_program_that_is_not_there_is_named(world: World, scope: Scope, name: str) -> None:
    assert world.processes.find(name) is None
    with pytest.raises(UsageError, match=f"^{name} is not installed$"):
        world.processes.run(scope, [name, "version"])


def test_a_program_that_is_there_is_found(world: World) -> None:
    name = world.program()[0]
    found = world.processes.find(name)
    assert found is not None
    assert found.endswith(name)


def test_cancelling_ends_a_running_program(world: World) -> None:
    with Scope("test") as scope:
        argv = world.program(stdout="begun\n", blocks=True)
        with pytest.raises(Cancelled):
            world.processes.run(scope, argv, on_line=lambda _line: scope.cancel())


def test_a_cancelled_scope_starts_nothing(world: World) -> None:
    with Scope("test") as scope:
        scope.cancel()
        with pytest.raises(Cancelled):
            world.processes.run(scope, world.program())
