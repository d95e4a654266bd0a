"""What a build did, out of BuildKit's own lines."""

from __future__ import annotations

from devloop.build.progress import Progress

# As docker buildx 0.38 prints it on an engine 20.10, shortened.
LINES = """\
#0 building with "default" instance using docker driver
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [build 1/3] FROM docker.io/library/busybox:1.37
#4 DONE 0.0s
#5 [internal] load build context
#5 DONE 0.9s
#6 [build 2/3] COPY deps /deps
#6 CACHED
#7 [build 3/3] RUN cat /deps/* > /all && sleep 1
#7 0.412 reading
#7 DONE 1.3s
#8 [stage-1 2/2] COPY --from=build /all /all
#8 DONE 0.1s
#9 exporting to image
#9 DONE 2.0s
"""


def summary(text: str) -> str:
    progress = Progress()
    for line in text.splitlines():
        progress.take(line)
    return progress.summary()


def test_it_says_what_was_cached_and_what_took_long() -> None:
    assert summary(LINES) == "1 of 3 steps cached, RUN cat /deps/* > /all && sleep 1 1.3 s"


def test_what_took_no_time_is_not_named() -> None:
    assert summary(LINES.replace("1.3s", "0.3s")) == "1 of 3 steps cached"
    assert summary("#5 [2/2] COPY app /app\n#5 CACHED\n") == "1 of 1 steps cached"


def test_a_long_instruction_is_cut() -> None:
    said = summary(f"#5 [2/2] RUN {'x' * 200}\n#5 DONE 12.0s\n")
    assert said == f"0 of 1 steps cached, RUN {'x' * 55}… 12.0 s"


def test_other_output_says_nothing() -> None:
    assert summary("Sending build context to Docker daemon\nStep 1/2 : FROM busybox\n") == ""
