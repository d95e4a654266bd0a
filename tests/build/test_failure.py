"""What the builders say when they fail, told as cause, place, evidence and next step. The outputs are recorded ones, shortened."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.build import dockerfile, dockerignore
from devloop.build.failure import explain
from devloop.errors import DevloopError, StepFailed, Unavailable

TEXT = """\
# syntax=docker/dockerfile:1
FROM busybox:1.37 AS one
RUN echo x
FROM one AS two
WORKDIR /x
RUN seq 1 30; \\
    false
COPY ${WHAT} b /
"""

BUILDKIT_08 = """\
#4 [one 1/2] FROM docker.io/library/busybox:1.37
#4 CACHED

#6 [two 2/3] RUN seq 1 30;     false
#6 0.220 29
#6 0.220 30
#6 ERROR: executor failed running [/bin/sh -c seq 1 30;     false]: exit code: 1
------
 > [two 2/3] RUN seq 1 30;     false:
0.220 30
------
ERROR: failed to build: failed to solve: executor failed running [/bin/sh -c seq 1 30;     false]: exit code: 1
"""
BUILT_IN_CLI = BUILDKIT_08.replace("ERROR: failed to build: failed to solve: ", "").replace("\n0.220 30", "")
BUILDKIT_NEW = """\
#6 [two 2/3] RUN seq 1 30;     false
#6 0.220 29
#6 0.220 30
#6 ERROR: process "/bin/sh -c seq 1 30;     false" did not complete successfully: exit code: 1
------
 > [two 2/3] RUN seq 1 30;     false:
0.220 30
------
Dockerfile:6
--------------------
   5 |     WORKDIR /x
   6 | >>> RUN seq 1 30; \\
   7 | >>>     false
--------------------
ERROR: failed to build: failed to solve: process "/bin/sh -c seq 1 30;     false" did not complete successfully: exit code: 1

View build details: docker-desktop://dashboard/build/default/default/abc
"""
CLASSIC = """\
DEPRECATED: The legacy builder is deprecated and will be removed in a future release.
            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0
Sending build context to Docker daemon  22.02kB
Step 5/6 : RUN seq 1 30;     false
 ---> Running in bb748f9735c0
29
30
The command '/bin/sh -c seq 1 30;     false' returned a non-zero code: 1
"""


def told(output: str, tmp_path: Path, *, text: str = TEXT, ignore: str = "") -> DevloopError:
    rules = dockerignore.parse(ignore, "api/.dockerignore")
    return explain(output.split("\n"), dockerfile.parse(text, "api/Dockerfile"), tmp_path, rules)


@pytest.mark.parametrize("output", [BUILDKIT_08, BUILT_IN_CLI, BUILDKIT_NEW, CLASSIC])
def test_a_failed_command_is_named_with_its_line_and_last_output(output: str, tmp_path: Path) -> None:
    found = told(output, tmp_path)
    assert isinstance(found, StepFailed)
    assert found.message == "RUN seq 1 30; false: exit code 1"
    assert found.where == "api/Dockerfile:6"
    assert found.evidence == ("29", "30")


def test_only_the_last_lines_are_evidence(tmp_path: Path) -> None:
    many = "\n".join(f"#6 0.220 line {number}" for number in range(100))
    found = told(BUILDKIT_08.replace("#6 0.220 29", many), tmp_path)
    assert len(found.evidence) == 20
    assert found.evidence[0] == "line 81"


def test_a_cancelled_neighbour_is_not_the_cause(tmp_path: Path) -> None:
    found = told(BUILDKIT_08.replace("------\n >", "#4 ERROR: context canceled\n------\n >", 1), tmp_path)
    assert found.where == "api/Dockerfile:6"


@pytest.mark.parametrize(
    "output",
    [
        '#7 [two 3/3] COPY gone b /\n#7 ERROR: "/gone" not found: not found\n'
        'ERROR: failed to build: failed to solve: failed to compute cache key: "/gone" not found: not found\n',
        '#7 [two 3/3] COPY gone b /\n#7 ERROR: failed to calculate checksum of ref d8::x: "/gone": not found\n'
        'ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref d8::x: "/gone": not found\n',
        "Step 6/6 : COPY gone b /\n"
        "COPY failed: file not found in build context or excluded by .dockerignore: stat gone: file does not exist\n",
    ],
)
def test_a_source_that_is_not_there_is_named(output: str, tmp_path: Path) -> None:
    (tmp_path / "gonne").write_text("")
    found = told(output, tmp_path)
    assert found.message == "COPY ${WHAT} b /: gone is not in the build context"
    assert found.where == "api/Dockerfile:8"
    assert found.hint == "did you mean gonne?"


def test_a_source_that_is_ignored_is_told_with_the_line_that_does_it(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/app").write_text("")
    output = '#7 [two 3/3] COPY dist/app b /\n#7 ERROR: "/dist/app" not found: not found\n'
    found = told(output, tmp_path, ignore="# built\ndist\n")
    assert found.hint
    assert "api/.dockerignore:2 leaves it out" in found.hint


@pytest.mark.parametrize(
    ("image", "cause", "where", "hint"),
    [
        (
            "docker.io/library/busybox:1.37",
            "failed to do request: lookup registry-1.docker.io: no such host",
            2,
            "docker pull busybox:1.37",
        ),
        ("docker.io/library/busybox:1.37", "pull access denied, repository does not exist", 2, "docker login"),
        ("docker.io/docker/dockerfile:1", "failed to do request: no such host", 1, "# syntax="),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named(image: str, cause: str, where: int, hint: str, tmp_path: Path) -> None:
    output = f"#3 [internal] load metadata for {image}\n#3 ERROR: {cause}\nERROR: failed to solve: {cause}\n"
    found = told(output, tmp_path)
    assert image.removeprefix("docker.io/").removeprefix("library/") in found.message
    assert cause in found.message
    assert found.where == f"api/Dockerfile:{where}"
    assert found.hint
    assert hint in found.hint


def test_the_classic_builder_names_the_image_too(tmp_path: Path) -> None:
    output = 'Step 1/6 : FROM busybox:1.37 AS one\nGet "https://registry-1.docker.io/v2/": no such host\n'
    found = told(output, tmp_path)
    assert found.message.startswith("the base image busybox:1.37 cannot be pulled: ")
    assert found.where == "api/Dockerfile:2"


@pytest.mark.parametrize(
    "output",
    [
        "ERROR: failed to build: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: "
        "failed to create LLB definition: dockerfile parse error line 3: unknown instruction: RUNN\n",
        "Dockerfile:3\n--------------------\n   3 | >>> RUNN x\n--------------------\n"
        "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN\n",
        "Error response from daemon: dockerfile parse error line 3: unknown instruction: RUNN\n",
    ],
)
def test_a_dockerfile_that_cannot_be_read_says_where(output: str, tmp_path: Path) -> None:
    found = told(output, tmp_path)
    assert (found.message, found.where) == ("unknown instruction: RUNN", "api/Dockerfile:3")


@pytest.mark.parametrize(
    ("line", "hint"),
    [("tar: write error: no space left on device", "disk is full"), ("Killed", None)],
)
def test_a_full_disk_is_told_from_the_output(line: str, hint: str | None, tmp_path: Path) -> None:
    found = told(BUILDKIT_08.replace("#6 0.220 30", f"#6 0.220 {line}"), tmp_path)
    assert (hint is None and found.hint is None) or (hint and hint in (found.hint or ""))


def test_a_killed_command_is_told(tmp_path: Path) -> None:
    assert "memory" in (told(BUILDKIT_08.replace("exit code: 1", "exit code: 137"), tmp_path).hint or "")


@pytest.mark.parametrize(
    "output",
    [
        "ERROR: Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?\n",
        "error during connect: Get http://x: EOF\n",
        "failed to connect to the docker API at unix:///x.sock\n",
    ],
)
def test_an_engine_that_does_not_answer_is_unavailable(output: str, tmp_path: Path) -> None:
    assert isinstance(told(output, tmp_path), Unavailable)


def test_a_command_that_wants_an_engine_is_no_sign_of_ours(tmp_path: Path) -> None:
    output = BUILDKIT_08.replace("0.220 30", "0.220 Cannot connect to the Docker daemon")
    assert isinstance(told(output, tmp_path), StepFailed)


@pytest.mark.parametrize(("output", "message"), [("", "said nothing"), ("ERROR: something new\n", "something new")])
def test_what_is_not_known_is_passed_on(output: str, message: str, tmp_path: Path) -> None:
    found = told(output, tmp_path)
    assert message in found.message
    assert found.where == "api/Dockerfile"


@pytest.mark.parametrize(
    ("text", "step", "line"),
    [
        ("FROM a\nRUN x\nRUN x", "[3/3] RUN x", 3),
        ("FROM scratch\nCOPY $A /\nRUN x", "[1/2] COPY 1 /", 2),
        ("FROM a AS b\nFROM b\nRUN x\nRUN x", "[stage-1 2/2] RUN x", 4),
        ("FROM a AS b\nRUN x\nFROM b\nRUN x", "[linux/amd64 stage-1 1/1] RUN x", 4),
    ],
)
def test_steps_are_counted_as_buildkit_counts(text: str, step: str, line: int, tmp_path: Path) -> None:
    output = f"#6 {step}\n#6 ERROR: process did not complete successfully: exit code: 1\n"
    assert told(output, tmp_path, text=text).where == f"api/Dockerfile:{line}"
