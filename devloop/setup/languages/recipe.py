"""What the languages share: a recipe, and how its Dockerfile is put together.

Comes in: a tree and a folder. Goes out: text. Dockerfiles follow four rules: what changes least comes first, package managers keep their
caches in BuildKit, the program does not run as root, and the image is one that exists publicly. Pure but for reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from devloop.config import names
from devloop.setup.walk import Tree, below, join

USER = "65532:65532"  # a number, which needs no entry in the image's files
_MOST_READ = 60
_HEAD = "# Made by `devloop init` for {language}; it is yours to change.\n"


@dataclass(frozen=True)
class Recipe:
    """`text`: the Dockerfile, which lies in the module's folder under `name`. `ignored`: lines of a .dockerignore."""

    language: str
    text: str
    ports: tuple[int, ...] = ()
    ignored: tuple[str, ...] = ()
    name: str = "Dockerfile"


def dockerfile(language: str, *lines: str) -> str:
    """The text of a Dockerfile; empty lines that follow each other become one."""
    text = "\n".join(lines).strip("\n")
    return _HEAD.format(language=language) + re.sub(r"\n{3,}", "\n\n", text) + "\n"


def cached(folder: str, command: str) -> str:
    """RUN with a folder that BuildKit keeps from build to build."""
    return f"RUN --mount=type=cache,target={folder} {command}"


def command(*words: str) -> str:
    """CMD in the form that gets signals."""
    quoted = (each.replace("\\", "\\\\").replace('"', '\\"') for each in words)
    return "CMD [" + ", ".join(f'"{each}"' for each in quoted) + "]"


def expose(ports: Iterable[int]) -> str:
    """EXPOSE for the ports, which says what the Service of the generated manifest leads to."""
    found = " ".join(map(str, ports))
    return f"EXPOSE {found}" if found else ""


def sources(tree: Tree, folder: str, *endings: str) -> Iterable[tuple[str, str]]:
    """Path and text of the first source files below a folder; tests are left out."""
    found = [each for each in tree.files if below(each, folder) and each.endswith(endings) and not _is_test(each)]
    found.sort(key=lambda each: (each.count("/"), each))
    return ((each, tree.read(each)) for each in found[:_MOST_READ])


def port(texts: Iterable[str], *patterns: str) -> tuple[int, ...]:
    """The first port that a program of one's own names in one of these ways; () when none does."""
    for text in texts:
        for pattern in patterns:
            for found in re.finditer(pattern, text):
                number = names.number(found[1]) or 0
                if 0 < number < 65536:
                    return (number,)
    return ()


def pinned(tree: Tree, folder: str, names: Iterable[str], pattern: str) -> str | None:
    """A version that a file in the folder, or at the root, says the program wants."""
    for where in dict.fromkeys((folder, ".")):
        for name in names:
            found = re.search(pattern, tree.read(where, name))
            if found:
                return found[1]
    return None


def relative(path: str, folder: str) -> str:
    """A path as the folder sees it."""
    return path if folder == "." else join(path)[len(folder) + 1 :]


def _is_test(path: str) -> bool:
    return re.search(r"(^|/)tests?/|(^|/)test_|[._]test\.|\.spec\.", path) is not None
