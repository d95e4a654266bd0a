"""The door to other programs, on POSIX.

Comes in: an argument list, perhaps a folder, variables, input. Goes out: lines as they come, then the exit code, or an error
with a command line that can be pasted. Each program leads a session of its own; when its run is left, nothing of a cancelled
or broken run is alive. It never goes through a shell and never shows a secret that it was told about.
"""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from devloop.errors import StepFailed, UsageError
from devloop.scope import Scope
from devloop.stages import Completed

TERM_PATIENCE_S = 5.0  # between TERM and KILL
KILL_PATIENCE_S = 2.0  # what the program left in uninterruptible sleep outlives KILL; no use in waiting for it
HELD_OPEN_PATIENCE_S = 1.0  # for output after the program ended, while something it left behind holds the pipe
TAIL_LINES = 20
MAX_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20  # the most that an unprivileged pipe holds on Linux

_INSTALL_HINTS = {
    "bazel": "install Bazel, best as Bazelisk: https://bazel.build/install",
    "container-structure-test": "install it: https://github.com/GoogleContainerTools/container-structure-test#installation",
    "docker": "install Docker: https://docs.docker.com/engine/install/",
    "go": "install Go: https://go.dev/doc/install",
    "gradle": "install Gradle: https://gradle.org/install/, or add its wrapper, ./gradlew",
    "helm": "install Helm: https://helm.sh/docs/intro/install/",
    "kind": "install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "ko": "install ko: https://ko.build/install/, or: go install github.com/google/ko@latest",
    "kubectl": "install kubectl: https://kubernetes.io/docs/tasks/tools/",
    "kustomize": "install kustomize: https://kubectl.docs.kubernetes.io/installation/kustomize/",
    "mvn": "install Maven: https://maven.apache.org/install.html, or add its wrapper, ./mvnw",
    "pack": "install pack: https://buildpacks.io/docs/for-platform-operators/how-to/integrate-ci/pack/",
    "minikube": "install minikube: https://minikube.sigs.k8s.io/docs/start/",
}


class RealProcesses:
    """Runs programs of this machine. Holds no state: safe from many threads at once."""

    def find(self, name: str) -> str | None:
        """The program's path, or None when it is not installed."""
        return shutil.which(name)

    def run(
        self,
        scope: Scope,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | Iterator[bytes] | None = None,
        on_line: Callable[[str], None] | None = None,
        check: bool = True,
        secrets: Sequence[str] = (),
    ) -> Completed:
        """Runs a program and blocks until it ends; see `stages.Processes.run` for the promise.

        A line that was rewritten with carriage returns counts as what it said last. What the program leaves running with our
        pipes still open has a second to finish and is ended then; what let go of them (a daemon) is left alone. An iterator
        for `stdin` is read in a thread of its own; its error ends the program and is raised, and it is closed in the end. A
        program that stops reading early is judged by its own exit code.
        """
        scope.check()
        command = pasteable(argv, cwd, secrets)
        output = _Output(masking(secrets), on_line)
        child = _Child(_start(argv, cwd, env, is_fed=stdin is not None))
        try:
            with scope.child(f"process {Path(argv[0]).name}") as inner:
                try:
                    with inner.on_cancel(child.interrupt):
                        inner.spawn(f"wait for {Path(argv[0]).name}", child.wait)
                        if stdin is not None:
                            data = iter((stdin,)) if isinstance(stdin, bytes) else stdin
                            inner.spawn(f"feed {Path(argv[0]).name}", lambda: child.feed(inner, data))
                        is_complete = child.read(output)
                finally:
                    child.stop_feeding()
                    if not child.is_done:
                        child.end()
                if not is_complete:
                    inner.check()
        finally:
            child.close()
        completed = Completed(child.code, output.text(), tuple(output.tail), command)
        return checked(completed) if check else completed


def pasteable(argv: Sequence[str], cwd: Path | None = None, secrets: Sequence[str] = ()) -> str:
    """The command as a person would type it where devloop runs, secrets as `***`."""
    mask = masking(secrets)
    command = shlex.join([mask(word) for word in argv])
    if cwd is None or cwd.resolve() == Path.cwd():
        return command
    return f"cd {shlex.quote(mask(str(cwd)))} && {command}"


def masking(secrets: Sequence[str]) -> Callable[[str], str]:
    """A function that writes `***` for each of the secrets."""
    hidden = sorted((secret for secret in set(secrets) if secret), key=len, reverse=True)

    def mask(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return mask


def checked(completed: Completed) -> Completed:
    """The same when its exit code is 0. Raises: StepFailed with the command, the code and the last lines when not."""
    if completed.code == 0:
        return completed
    verdict = f"exit code {completed.code}"
    if completed.code < 0:
        known = {number.value: number.name for number in signal.Signals}
        verdict = f"killed by {known.get(-completed.code, f'signal {-completed.code}')}"
    raise StepFailed(f"{completed.command}: {verdict}", evidence=completed.tail)


def not_installed(name: str) -> UsageError:
    """The error for a program that is not there, with how to get the ones that devloop uses."""
    return UsageError(f"{name} is not installed", hint=_INSTALL_HINTS.get(name, f"install {name} or put it on PATH"))


def _start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, *, is_fed: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE if is_fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError as exc:
        if cwd is not None and not cwd.is_dir():
            raise StepFailed(f"no folder {cwd} to run {argv[0]} in") from exc
        if shutil.which(argv[0], path=(env or {}).get("PATH")) or (cwd or Path()).joinpath(argv[0]).is_file():
            raise UsageError(f"{argv[0]} cannot be run: the interpreter named in its first line is missing") from exc
        raise not_installed(argv[0]) from exc
    except OSError as exc:
        raise UsageError(
            f"{argv[0]} cannot be run: {exc.strerror}", hint="is it executable, and made for this machine?"
        ) from exc


class _Lines:
    """Cuts one stream's bytes into lines."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._emit(_last_state(line.removesuffix(b"\r")))
        # A carriage return at the very end may be half of a line end.
        self._rest = rest if len(rest) < _CHUNK_BYTES else rest[rest.rfind(b"\r", 0, -1) + 1 :]
        if len(self._rest) > MAX_LINE_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            self._emit(_last_state(rest.removesuffix(b"\r")))


def _last_state(line: bytes) -> str:
    return line[line.rfind(b"\r") + 1 :].decode("utf-8", "replace")


class _Output:
    """What is kept of both streams. Used by one thread."""

    def __init__(self, mask: Callable[[str], str], on_line: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._mask = mask
        self._on_line = on_line
        self._kept: list[bytes] = []
        self._streams = {"stdout": _Lines(self._line), "stderr": _Lines(self._line)}

    def add(self, stream: str, chunk: bytes) -> None:
        if self._on_line is None and stream == "stdout":
            self._kept.append(chunk)
        self._streams[stream].add(chunk)

    def flush(self, stream: str) -> None:
        self._streams[stream].flush()

    def text(self) -> str:
        return self._mask(b"".join(self._kept).decode("utf-8", "replace"))

    def _line(self, line: str) -> None:
        line = self._mask(line)
        self.tail.append(line)
        if self._on_line is not None:
            self._on_line(line)


class _Signal:
    """An event that a selector can wait for. Setting it is final."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reader, self._writer = os.pipe()
        self._is_open = True

    def set(self) -> None:
        with self._lock:
            if self._is_open:
                os.write(self._writer, b"!")

    def close(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self.reader)
                os.close(self._writer)


class _Child:
    """A started program and everything in its group, from its start until nothing of it is left."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._exited = _Signal()
        self._stopped = _Signal()  # by cancelling
        self._unfed = _Signal()  # input is of no use any more
        self._terminated_at: float | None = None
        self.is_done = False

    @property
    def code(self) -> int:
        return self._popen.wait()

    def wait(self) -> None:
        """Blocks until the program itself has ended, then tells `read`."""
        self._popen.wait()
        self._exited.set()

    def read(self, output: _Output) -> bool:
        """Blocks until the program has ended and its output is read; False when it was interrupted first."""
        with selectors.PollSelector() as selector:
            selector.register(self._stopped.reader, selectors.EVENT_READ)
            selector.register(self._exited.reader, selectors.EVENT_READ)
            for name, stream in (("stdout", self._popen.stdout), ("stderr", self._popen.stderr)):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ, name)
            open_streams = 2
            deadline: float | None = None
            budget = _PIPE_BYTES
            while open_streams or deadline is None:
                ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                for key, _ in ready:
                    if key.fd == self._stopped.reader:
                        return False
                    if key.fd == self._exited.reader:
                        selector.unregister(key.fileobj)
                        deadline = time.monotonic() + HELD_OPEN_PATIENCE_S
                        continue
                    chunk = os.read(key.fd, _CHUNK_BYTES)
                    if chunk:
                        output.add(key.data, chunk)
                    else:
                        output.flush(key.data)
                        selector.unregister(key.fileobj)
                        open_streams -= 1
                    budget -= len(chunk) if deadline is not None else 0
                if deadline is not None and time.monotonic() > deadline and (not ready or budget < 0):
                    output.flush("stdout")
                    output.flush("stderr")
                    return True
        self.is_done = True
        return True

    def feed(self, scope: Scope, chunks: Iterator[bytes]) -> None:
        """Writes the input as fast as the program takes it; ends early, without an error, when it takes no more."""
        pipe = self._popen.stdin
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        try:
            for chunk in chunks:
                if not self._write(pipe.fileno(), chunk):
                    return
        except BaseException:  # raised again
            # Input that breaks off must not look like its end: the program would succeed with half of it.
            scope.cancel()
            raise
        finally:
            pipe.close()
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _write(self, fd: int, chunk: bytes) -> bool:
        rest = memoryview(chunk)
        with selectors.PollSelector() as selector:
            selector.register(self._unfed.reader, selectors.EVENT_READ)
            selector.register(fd, selectors.EVENT_WRITE)
            while rest:
                if any(key.fd == self._unfed.reader for key, _ in selector.select()):
                    return False
                try:
                    rest = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return False
        return True

    def stop_feeding(self) -> None:
        self._unfed.set()

    def interrupt(self) -> None:
        """Asks the group to end and lets `read` return. Does not block. The signal is last: what dies of it was interrupted."""
        self._stopped.set()
        self._unfed.set()
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Blocks until the whole group is gone: TERM, 5 s, KILL."""
        self._signal(signal.SIGTERM)
        self._drain_until_gone(TERM_PATIENCE_S)
        self._signal(signal.SIGKILL)
        self._drain_until_gone(KILL_PATIENCE_S)
        self.is_done = True

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._popen.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # gone; on macOS a group of zombies only answers EPERM

    def _drain_until_gone(self, patience_s: float) -> None:
        """Throws output away meanwhile, so that a program that prints on its way out is not stuck."""
        deadline = time.monotonic() + patience_s
        pause_s = 0.001
        with selectors.PollSelector() as selector:
            for stream in (self._popen.stdout, self._popen.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            while self._is_group_alive() and time.monotonic() < deadline:
                # Not scope.wait: the scope is cancelled, and this is what its end waits for.
                for key, _ in selector.select(pause_s):
                    if not os.read(key.fd, _CHUNK_BYTES):
                        selector.unregister(key.fileobj)
                pause_s = min(pause_s * 2, 0.02)

    def _is_group_alive(self) -> bool:
        try:
            os.killpg(self._popen.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return self._popen.poll() is None or _has_living_member(self._popen.pid)

    def close(self) -> None:
        """Ends what is left: a scope may be cancelled before anything watches the program."""
        if not self.is_done:
            self.end()
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()
        for event in (self._exited, self._stopped, self._unfed):
            event.close()


def _has_living_member(group: int) -> bool:
    """Whether a process of the group is more than a zombie: in a container whose first process reaps nothing they stay."""
    if not Path("/proc/self/stat").exists():
        return True
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name, in parentheses, may hold spaces and parentheses: man 5 proc_pid_stat.
                state, _, member_of = (folder / "stat").read_text("latin-1").rpartition(")")[2].split()[:3]
            except (OSError, ValueError):
                continue  # ended meanwhile
            if int(member_of) == group and state not in "ZX":
                return True
    return False
