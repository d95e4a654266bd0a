"""Git repositories at one of their commits, each kept in a folder of its own.

Comes in: a repository and a commit, tag or branch. Goes out: a folder with what is there, fetched once with the `git` command; what is
kept is used without any network. It writes into its own folder only, and never changes what is there: a moved tag is another folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import Processes

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_LOOK_EVERY_S = 0.1
# Nobody answers questions here: what cannot sign in by itself fails, and says so.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes", "LC_ALL": "C"}


@dataclass(frozen=True)
class Checkouts:
    """What was fetched, below `folder`. Safe from many threads and processes at once.

    `on_fetch` is told before the network is used. `is_updating`: tags and branches are asked for again.
    """

    folder: Path
    processes: Processes
    on_fetch: Callable[[str], None] = lambda _text: None
    is_updating: bool = False

    def get(self, scope: Scope, url: str, ref: str) -> Path:
        """The folder with the repository's files. Blocks, on the network if it is not kept yet; cancelled by the scope.

        Raises: StepFailed with git's own words; UsageError when there is no git.
        """
        home = self.folder / f"{_plain(url)}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        if (kept := self._kept(home, ref)) and not self.is_updating:
            return kept
        try:
            home.mkdir(parents=True, exist_ok=True)
            with _locked(scope, home / "lock"):
                kept = self._kept(home, ref)  # by another session, while this one waited
                if kept is not None and (not self.is_updating or _COMMIT.fullmatch(ref)):
                    return kept
                return self._fetch(scope, home, url, ref)
        except OSError as exc:
            raise StepFailed(
                f"what is fetched cannot be kept: {exc.strerror}", where=str(exc.filename or home)
            ) from exc

    def _kept(self, home: Path, ref: str) -> Path | None:
        commit = ref if _COMMIT.fullmatch(ref) else _read(_note(home, ref))
        folder = home / commit
        return folder if commit and folder.is_dir() else None

    def _fetch(self, scope: Scope, home: Path, url: str, ref: str) -> Path:
        self.on_fetch(f"fetching {_bare(url)} at {ref}")
        with tempfile.TemporaryDirectory(dir=home, prefix=".new-") as made:
            work, store = Path(made) / "files", Path(made) / "git"
            work.mkdir()

            def git(*words: str) -> str:
                done = self.processes.run(
                    scope, ["git", *words], cwd=work, env=_environment(store, work), check=False, secrets=_secrets(url)
                )
                if done.code != 0:
                    raise _failed(url, ref, done.tail)
                return done.stdout.strip()

            git("init", "-q")
            git("fetch", "-q", "--depth=1", "--no-tags", "--", url, ref)
            commit = git("rev-parse", "FETCH_HEAD^{commit}")
            if not (home / commit).is_dir():
                git("checkout", "-q", "--detach", commit)
                os.replace(work, home / commit)
        if ref != commit:
            _write(_note(home, ref), commit)
        return home / commit


def _environment(store: Path, work: Path) -> dict[str, str]:
    """What a hook of git, if devloop is run by one, knows of another repository must not count. A user's own way to run ssh stays."""
    own = {
        "GIT_DIR": store,
        "GIT_WORK_TREE": work,
        "GIT_INDEX_FILE": store / "index",
        "GIT_OBJECT_DIRECTORY": store / "objects",
    }
    asked = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ or name != "GIT_SSH_COMMAND"}
    return asked | {name: str(path) for name, path in own.items()}


@contextlib.contextmanager
def _locked(scope: Scope, file: Path) -> Iterator[None]:
    """One session at a time; the lock goes with the process that has it."""
    with file.open("w") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                scope.wait(_LOOK_EVERY_S)
        for left in file.parent.glob(".new-*"):  # of a session that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield


def _note(home: Path, ref: str) -> Path:
    """Where it is written which commit a tag or branch was when it was fetched."""
    return home / f"ref-{quote(ref, safe='')}"


def _read(file: Path) -> str:
    try:
        text = file.read_text().strip()
    except OSError:
        return ""
    return text if _COMMIT.fullmatch(text) else ""


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    os.replace(new, file)


def _failed(url: str, ref: str, said: Sequence[str]) -> StepFailed:
    last = [line for line in said if line.strip()]
    words = " ".join(last).lower()
    hint = f"`git ls-remote {_bare(url)} {ref}` has to answer"
    if "find remote ref" in words or "not our ref" in words:
        hint = f"`git ls-remote {_bare(url)}` lists what there is; a commit has to be given in full"
    elif any(each in words for each in ("authentication", "permission denied", "could not read", "terminal prompts")):
        hint = "git has to be able to sign in by itself: a credential helper, or a key in the agent"
    return StepFailed(f"cannot fetch {_bare(url)} at {ref}", hint=hint, evidence=tuple(last[-5:]))


def _secrets(url: str) -> tuple[str, ...]:
    password = urlsplit(url).password if "://" in url else None
    return (password,) if password else ()


def _bare(url: str) -> str:
    """The URL without whoever signs in."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else url


def _plain(url: str) -> str:
    """What a folder can be called after it."""
    last = url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last)[:40].strip(".-") or "git"
