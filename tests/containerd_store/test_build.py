"""Building for an engine with containerd's store, whose images are known by the ids of manifests, and with its BuildKit."""

from __future__ import annotations

from tests.build.test_docker import (
    job,
    test_a_failure_names_the_line_and_shows_the_output,
    test_an_engine_that_does_not_answer_is_unavailable,
    test_cancelling_stops_the_client_and_the_engines_work,
    test_every_cli_that_is_installed_builds,
    test_it_builds_an_image_without_a_name,
    tools,
)

__all__ = [
    "job",
    "test_a_failure_names_the_line_and_shows_the_output",
    "test_an_engine_that_does_not_answer_is_unavailable",
    "test_cancelling_stops_the_client_and_the_engines_work",
    "test_every_cli_that_is_installed_builds",
    "test_it_builds_an_image_without_a_name",
    "tools",
]
