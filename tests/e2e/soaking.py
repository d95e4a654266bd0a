"""A person who does not wait: random edits, deletions, renames and branch switches while builds fail and hang, under one `devloop dev`.

Comes in: a folder, the command, kubectl, a seed. Goes out: at every pause, an assertion that the running containers hold exactly the
files on disk. The same seed makes the same edits; how they meet the builds is up to the machine.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.driver import Devloop, Session
from tests.e2e.kube import Kubectl

NAMES = ("ant", "bee", "cat")  # cat is built by a command
BRANCHES = ("main", "other")
QUIET_S = 2.0  # no update under way for so long: devloop says that it is done
PATIENCE_S = 150  # for the last update to end, on a machine with other work

DOCKERFILES = {
    "good": "FROM busybox:1.37\nCOPY www /www\n",
    "failing": "FROM busybox:1.37\nRUN echo on purpose && false\nCOPY www /www\n",
    "hanging": "FROM busybox:1.37\nRUN sleep 1000\nCOPY www /www\n",
}
COMMANDS = {
    "good": "docker build --tag $IMAGE .\n",
    "failing": "echo on purpose; exit 3\n",
    "hanging": "sleep 1000\n",
}
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: {name}
          image: {image}
          command: [sh, -c, "trap exit TERM; sleep 100000 & wait"]
          readinessProbe: {{exec: {{command: ["true"]}}, periodSeconds: 1}}
"""


@dataclass
class Soak:
    """One session in `folder`. `tell`: hears in a line what is being done."""

    folder: Path
    devloop: Devloop
    kubectl: Kubectl
    seed: int
    tell: Callable[[str], None] = lambda _line: None
    edits: int = 0
    pauses: int = 0
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._serial = 0
        self.images = f"e2e-{self.folder.parent.name.lower()}"
        for name in NAMES:
            (self.folder / name / "www" / "sub").mkdir(parents=True)
            self._write(self.folder / name / "www/keep", "here\n")
            self._write(self.folder / name / "www/sub/page", f"{name}\n")
            self._mend(name)
            self._write(self.folder / f"k8s/{name}.yaml", MANIFEST.format(name=name, image=f"{self.images}/{name}"))
        self._write(self.folder / "devloop.yaml", self._config())
        self._git("init", "--quiet", "--initial-branch=main")
        self._commit("first")
        self._git("switch", "--quiet", "--create", "other")
        for name in NAMES:
            self._write(self.folder / name / "www/other/page", "other\n")
        self._commit("other")
        self._git("switch", "--quiet", "main")

    def run(self, *, seconds: float) -> Session:
        """Soaks for so long, then proves it a last time. Blocks. Raises: AssertionError with what was done last."""
        dev = self.devloop.at(self.folder).start("dev")
        end = time.monotonic() + seconds
        self.prove(dev)
        while time.monotonic() < end:
            for _ in range(self._random.randint(1, 4)):
                self._burst()
                time.sleep(self._random.choice((0, 0.05, 0.3, 1.0, 2.5)))
            self.prove(dev)
        return dev

    def prove(self, dev: Session) -> None:
        """Mends what is broken, waits until devloop says that it is done, and compares every container with the disk."""
        for name in NAMES:
            self._mend(name)
        self._wait_quiet(dev)
        self.pauses += 1
        for name in NAMES:
            on_disk, running = self._on_disk(name), self._running(name)
            done = "\n".join(self.history[-40:])
            assert running == on_disk, (
                f"{name} runs {running}, on disk is {on_disk}; seed {self.seed}, done last:\n{done}"
            )
        self.tell(f"pause {self.pauses}: {self.edits} edits so far, all three run what is on disk")

    # ---- what is done to the files

    def _burst(self) -> None:
        acts = (
            (20, self._edit), (8, self._create), (6, self._delete), (6, self._rename), (4, self._tree), (4, self._fell),
            (4, self._touch), (3, self._same), (3, self._chmod), (5, self._break), (4, self._switch), (3, self._move_tree),
        )  # fmt: skip
        weights, choices = zip(*acts, strict=True)
        for act in self._random.choices(choices, weights, k=self._random.randint(1, 8)):
            act()
            self.edits += 1
            time.sleep(self._random.choice((0, 0, 0.01, 0.1)))

    def _edit(self) -> None:
        self._save(self._any_file(), self._fresh())

    def _create(self) -> None:
        self._save(self._any_folder() / f"new{self._next()}", self._fresh())

    def _delete(self) -> None:
        path = self._any_file()
        self._note(f"delete {path}")
        path.unlink()

    def _rename(self) -> None:
        path = self._any_file()
        target = self._any_folder(path.relative_to(self.folder).parts[0]) / f"moved{self._next()}"
        self._note(f"rename {path} to {target}")
        path.rename(target)

    def _tree(self) -> None:
        top = self._any_folder() / f"tree{self._next()}"
        self._note(f"make {top}")
        for number in range(self._random.randint(1, 20)):
            self._write(top / f"d{number % 3}" / f"f{number}", self._fresh())

    def _fell(self) -> None:
        top = self._any_tree()
        if top is not None:
            self._note(f"remove {top}")
            shutil.rmtree(top)

    def _move_tree(self) -> None:
        top = self._any_tree()
        if top is not None:
            target = top.with_name(f"moved{self._next()}")
            self._note(f"move {top} to {target}")
            top.rename(target)

    def _touch(self) -> None:
        path = self._any_file()
        self._note(f"touch {path}")
        path.touch()

    def _same(self) -> None:
        path = self._any_file()
        self._save(path, path.read_text())

    def _chmod(self) -> None:
        path = self._any_file()
        self._note(f"chmod {path}")
        path.chmod(path.stat().st_mode ^ 0o111)

    def _break(self) -> None:
        name = self._random.choice(NAMES)
        self._set(name, self._random.choice(("failing", "hanging")))

    def _switch(self) -> None:
        branch = self._random.choice(BRANCHES)
        self._note(f"commit and switch to {branch}")
        self._commit("work")
        self._git("switch", "--quiet", branch)

    def _mend(self, name: str) -> None:
        self._set(name, "good")

    def _set(self, name: str, how: str) -> None:
        path, texts = (
            (self.folder / name / "build.sh", COMMANDS)
            if name == "cat"
            else (self.folder / name / "Dockerfile", DOCKERFILES)
        )
        if name == "cat":
            self._write(self.folder / name / "Dockerfile", DOCKERFILES["good"])
        if not path.exists() or path.read_text() != texts[how]:
            self._note(f"{how} build of {name}")
            self._write(path, texts[how])

    def _save(self, path: Path, text: str) -> None:
        """As one editor or another does."""
        style = self._random.choice(("in place", "replace", "vim", "in parts"))
        self._note(f"save {path} ({style})")
        match style:
            case "in place":
                self._write(path, text)
            case "replace":
                draft = path.with_name(f".{path.name}.swp")
                draft.write_text(text)
                draft.replace(path)
            case "vim":
                backup = path.with_name(f"{path.name}~")
                if path.exists():
                    path.rename(backup)
                path.write_text(text)
                backup.unlink(missing_ok=True)
            case _:
                with path.open("w") as file:
                    for part in (text[:5], text[5:]):
                        file.write(part)
                        file.flush()
                        time.sleep(0.005)

    # ---- choices

    def _any_file(self) -> Path:
        files = self._files(self._random.choice(NAMES))
        return self._random.choice(files)

    def _any_folder(self, name: str = "") -> Path:
        www = self.folder / (name or self._random.choice(NAMES)) / "www"
        return self._random.choice([www, *sorted(path for path in www.rglob("*") if path.is_dir())])

    def _any_tree(self) -> Path | None:
        www = self.folder / self._random.choice(NAMES) / "www"
        trees = sorted(path for path in www.iterdir() if path.is_dir())
        return self._random.choice(trees) if trees else None

    def _files(self, name: str) -> list[Path]:
        """All but the one that stays, unless it is the only one."""
        www = self.folder / name / "www"
        files = sorted(path for path in www.rglob("*") if path.is_file() and path != www / "keep")
        if not files:
            self._write(www / "again", self._fresh())
            return [www / "again"]
        return files

    def _fresh(self) -> str:
        return f"text {self._next()}\n" * self._random.randint(1, 50)

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    # ---- what is true

    def _on_disk(self, name: str) -> dict[str, str]:
        www = self.folder / name / "www"
        return {
            path.relative_to(www).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in www.rglob("*")
            if path.is_file()
        }

    def _running(self, name: str) -> dict[str, str]:
        """What the only pod that is not on its way out holds."""
        pods = [
            each for each in self.kubectl.list("pods", f"app={name}") if not each["metadata"].get("deletionTimestamp")
        ]
        assert len(pods) == 1, f"{name} has {len(pods)} pods"
        told = self.kubectl.run(
            "exec", pods[0]["metadata"]["name"], "--", "sh", "-c", "cd /www && find . -type f -exec sha256sum {} +"
        )
        rows = (line.split("  ", 1) for line in told.splitlines())
        return {path.removeprefix("./"): digest for digest, path in rows}

    def _wait_quiet(self, dev: Session) -> None:
        began = time.monotonic()
        quiet_since = began
        seen = -1
        while True:
            updates = [each for each in dev.events if each["kind"] == "update"]
            is_open = not updates or len({e["update"] for e in updates}) > len(
                {e["update"] for e in updates if e["state"] != "started"}
            )
            now = time.monotonic()
            if is_open or len(updates) != seen:
                seen, quiet_since = len(updates), now
            if now - quiet_since > QUIET_S:
                last = updates[-1]
                assert last["state"] == "ready", f"the last update is {last['state']}; seed {self.seed}\n{dev.report()}"
                return
            assert now - began < PATIENCE_S, f"not quiet after {PATIENCE_S} s; seed {self.seed}\n{dev.report()}"
            assert dev.is_running, f"devloop ended by itself; seed {self.seed}\n{dev.report()}"
            time.sleep(0.05)

    # ---- small things

    def _config(self) -> str:
        artifacts = "".join(
            f"    - image: {self.images}/{name}\n      context: {name}\n"
            + ("      custom:\n        command: sh build.sh\n" if name == "cat" else "")
            for name in NAMES
        )
        return f"apiVersion: devloop/v1\nmetadata: {{name: soak}}\nbuild:\n  artifacts:\n{artifacts}deploy:\n  - manifests: [k8s/*.yaml]\n"

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)

    def _git(self, *args: str) -> None:
        identity = ("-c", "user.name=soak", "-c", "user.email=soak@example.com", "-c", "gc.auto=0")
        done = subprocess.run(["git", *identity, *args], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {' '.join(args)}: {done.stderr}"

    def _note(self, text: str) -> None:
        self.history.append(f"{time.strftime('%H:%M:%S')} {text.replace(f'{self.folder}/', '')}")
