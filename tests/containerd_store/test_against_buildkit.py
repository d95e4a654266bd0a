"""The rules for inputs against the BuildKit of a recent engine: what the one of Debian's engine does not know yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.build.test_against_buildkit import EXCEPTIONS, IGNORES, Case, command, compare_many

__all__ = ["command"]

CASES = 60
HEREDOC = "COPY . /\nFROM scratch\nADD lib /\n"  # would count as instructions if it did not count as text


class RecentCase(Case):
    """Contexts as those of `Case`, whose Dockerfiles have heredocs, and copy with --parents and --exclude."""

    def text(self) -> str:
        return (
            super().text().replace("FROM BASE", "FROM base")
        )  # where such a build fails, and it fails in all versions

    def ignore(self) -> str:
        return "\n".join(self.rng.choices(IGNORES, k=1)) + "\n"  # or hardly anything would be left to copy

    def copy(self, to: str) -> str:
        made = super().copy(to)
        if self.rng.random() < 0.2:
            return self.heredoc(made, to)
        word, _, rest = made.partition(" ")
        flags = [f"--exclude={pattern}" for pattern in self.patterns()]
        if self.rng.random() < 0.5:
            flags.append("--parents" if word.upper() == "COPY" else "")
            rest = self.with_pivot(rest)
        self.rng.shuffle(flags)
        return " ".join((word, *filter(None, flags), rest))

    def patterns(self) -> list[str]:
        count = self.rng.choice((0, 0, 1, 1, 2))
        words = [pattern for pattern in IGNORES if pattern.strip() and not set(pattern) & set(" #")]
        patterns = self.rng.choices(words, k=count)
        if patterns and self.rng.random() < 0.3:
            patterns.append(f"!{self.rng.choice(EXCEPTIONS).strip()}")
        return patterns

    def with_pivot(self, rest: str) -> str:
        """With the `/./` that says from where on the folders above are kept, somewhere in one of the sources."""
        at = rest.find("/")
        if self.rng.random() < 0.5 or at < 1 or rest[at - 1] in ' "[./' or rest[at + 1 : at + 2] in (" ", '"', "", "."):
            return rest
        return f"{rest[:at]}/.{rest[at:]}"

    def heredoc(self, made: str, to: str) -> str:
        """A file beside the sources whose text is in the Dockerfile, or two. Its name keeps it out of what is compared."""
        names = [f"made{number}.Dockerfile" for number in range(self.rng.choice((1, 1, 2)))]
        quote = self.rng.choice(("", '"'))
        words = [f"<<{self.rng.choice(('', '-'))}{quote}{name}{quote}" for name in names]
        texts = [f"{HEREDOC}{name}\n" for name in names]
        if "[" not in made and self.rng.random() < 0.5:
            source = self.rng.choice([each for each in self.files if " " not in each] or ["."])
            words.insert(self.rng.randint(0, len(words)), source)
        return f"COPY {' '.join(words)} {to}\n{''.join(texts)}".rstrip("\n")

    def mounts(self) -> list[str]:
        lines = super().mounts()
        ran = [f"RUN <<EOF\n{line.removeprefix('RUN ')}\nEOF" for line in lines if line.startswith("RUN mkdir")]
        return [
            *ran,
            *(f"{line} <<EOF\n{HEREDOC}EOF" if "--mount" in line else line for line in lines if "mkdir" not in line),
        ]


@pytest.mark.timeout(900)
def test_the_inputs_hold_whatever_a_recent_buildkit_copies(
    engine: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare_many(command, tmp_path, capsys, RecentCase, CASES)
