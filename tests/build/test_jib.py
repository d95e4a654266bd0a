"""The Jib builder: with the real Maven where it is installed, and the command lines for Gradle with a stand-in for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devloop.build.jib import JibBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses
from tests.build.tools import write

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId><artifactId>hello</artifactId><version>1</version>
  <properties>
    <maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <build><plugins>PLUGIN</plugins></build>
</project>
"""
PLUGIN = (
    "<plugin><groupId>com.google.cloud.tools</groupId><artifactId>jib-maven-plugin</artifactId>"
    "<version>3.4.6</version></plugin>"
)
MAIN = "src/main/java/Main.java"
PROGRAM = {
    "pom.xml": POM.replace("PLUGIN", PLUGIN),
    MAIN: 'public class Main { public static void main(String[] a) { System.out.println("hi"); } }\n',
    "src/main/jib/etc/shop.conf": "from jib\n",
    "src/test/java/MainTest.java": "",
    "README.md": "",
}


def artifact(spec: model.Jib | None = None, **options: object) -> model.Artifact:
    return model.Artifact("jib/api", jib=spec or model.Jib(), **options)  # type: ignore[arg-type]


def inputs(folder: Path, processes: RealProcesses | FakeProcesses, spec: model.Jib | None = None) -> Inputs:
    return JibBuilder().inputs(Scope(), artifact(spec), folder, Tools(processes, FakeEngine()))


def names(found: Inputs) -> set[str]:
    return {path.relative_to(found.base).as_posix() for path in found.files}


# ---- the real Maven


@pytest.fixture(scope="module")
def maven(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Maven that has, or gets, the plugins that the tests run."""
    if shutil.which("mvn") is None:
        pytest.skip("Maven is not installed; tests/testbed/up --all installs it")
    folder = tmp_path_factory.mktemp("maven")
    write(folder, PROGRAM)
    argv = ["mvn", "--batch-mode", "--quiet", "prepare-package", "jib:_skaffold-files-v2"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Maven does not get its plugins here: {done.stdout[-300:]}")


@pytest.fixture
def tree(maven: None, tmp_path: Path) -> Path:
    write(tmp_path, PROGRAM)
    return tmp_path


def test_maven_names_the_inputs(tree: Path) -> None:
    found = inputs(tree, RealProcesses())
    assert names(found) == {"pom.xml", MAIN, "src/main/jib/etc/shop.conf"}
    assert found.matches(tree / "src/main/java/New.java")
    assert found.matches(tree / "src/main/resources/new.txt")
    assert not found.matches(tree / "src/test/java/MainTest.java")
    assert found.is_defined_by(tree / "pom.xml")
    assert not found.is_defined_by(tree / MAIN)
    assert "Apache Maven" in dict(found.values)["tool"]


def test_a_build_without_the_plugin_is_told_as_such(tree: Path) -> None:
    write(tree, {"pom.xml": POM.replace("PLUGIN", "")})
    with pytest.raises(StepFailed, match="no Jib plugin") as raised:
        inputs(tree, RealProcesses())
    assert "quickstart" in str(raised.value.hint)


@pytest.fixture
def tools(engine: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


@pytest.fixture
def ref(tools: Tools) -> Iterator[str]:
    name = f"devloop-test/jib-{uuid.uuid4().hex[:8]}:tag1"
    yield name
    tools.engine.untag(name)


def test_maven_leaves_the_image_on_the_engines_own_base(tree: Path, tools: Tools, ref: str) -> None:
    job = BuildJob(artifact(model.Jib(from_image="busybox:1.37")), tree, ref, {})
    image_id = JibBuilder().build(Scope(), job, tools)
    found, base = tools.engine.inspect(ref), tools.engine.inspect("busybox:1.37")
    assert found is not None
    assert base is not None
    assert found.image_id == image_id
    assert found.layers[: len(base.layers)] == base.layers
    run = ["docker", "run", "--rm", "--entrypoint=cat", ref, "/etc/shop.conf"]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "from jib\n"


def test_a_class_that_does_not_compile_is_told_with_its_place(tree: Path, tools: Tools, ref: str) -> None:
    write(tree, {MAIN: 'public class Main {\n  int x = "a";\n}\n'})
    job = BuildJob(artifact(model.Jib(from_image="busybox:1.37")), tree, ref, {})
    with pytest.raises(StepFailed, match="mvn: incompatible types") as raised:
        JibBuilder().build(Scope(), job, tools)
    assert raised.value.where == f"{MAIN}:2:11"
    assert len(raised.value.evidence) == 20


def test_what_maven_calls_the_cause_is_told_without_its_wrapping(tree: Path, tools: Tools, ref: str) -> None:
    job = BuildJob(artifact(model.Jib(from_image="docker://devloop-test/gone:1")), tree, ref, {})
    with pytest.raises(StepFailed, match="mvn: 'docker inspect' command failed") as raised:
        JibBuilder().build(Scope(), job, tools)
    assert "[Help" not in raised.value.message


# ---- command lines


ANSWER = f"Welcome\nBEGIN JIB JSON\n{json.dumps({'build': [], 'inputs': [], 'ignore': []})}\n"


class World:
    """An engine that has a base image, and build tools that do as they are told."""

    def __init__(self, folder: Path, *files: str) -> None:
        write(folder, dict.fromkeys(files, ""))
        self.folder = folder
        self.engine = FakeEngine()
        self.processes = FakeProcesses()
        self.engine.add("local/base:1", [{"a": b"1"}])
        self.image_id = self.engine.add("shop/api:1a2b", [{"a": b"1"}])
        for tool in ("mvn", "gradle"):
            self.processes.when(tool, stdout=ANSWER)
            self.processes.when(tool, "--version", stdout=f"{tool} 1\n")

    def argv(self, spec: model.Jib, *, is_uncached: bool = False) -> tuple[str, ...]:
        job = BuildJob(artifact(spec), self.folder, "shop/api:1a2b", {}, is_uncached)
        assert JibBuilder().build(Scope(), job, Tools(self.processes, self.engine)) == self.image_id
        return self.processes.calls[-1].argv

    def asked(self, spec: model.Jib) -> tuple[str, ...]:
        JibBuilder().inputs(Scope(), artifact(spec), self.folder, Tools(self.processes, self.engine))
        return self.processes.calls[0].argv


def test_gradles_command_lines(tmp_path: Path) -> None:
    world = World(tmp_path, "build.gradle.kts")
    spec = model.Jib(project="services:api", args=("-Pdev",), from_image="local/base:1")
    assert world.asked(spec) == (
        *("gradle", "--console=plain", "--quiet", "-Pdev", ":services:api:_jibSkaffoldFilesV2"),
    )
    assert world.argv(spec) == (
        *("gradle", "--console=plain", "-Djib.console=plain", "-Pdev", "-Djib.from.image=docker://local/base:1"),
        *(":services:api:jibDockerBuild", "--image=shop/api:1a2b"),
    )
    assert "--rerun-tasks" in world.argv(spec, is_uncached=True)
    assert world.argv(model.Jib())[-2:] == (":jibDockerBuild", "--image=shop/api:1a2b")


def test_mavens_command_lines_for_one_module_of_many(tmp_path: Path) -> None:
    world = World(tmp_path, "pom.xml")
    spec = model.Jib(project="services/api", args=("-Pdev",), from_image="registry.example.com/base:1")
    chosen = ("mvn", "--batch-mode", "-Djib.console=plain", "--projects", "services/api", "--also-make", "-Pdev")
    assert world.asked(spec) == (*chosen, "--quiet", "jib:_skaffold-files-v2")
    assert world.argv(spec) == (
        *(*chosen, "package", "jib:dockerBuild", "-Djib.to.image=shop/api:1a2b"),
        *("-Djib.from.image=registry.example.com/base:1", "-Djib.containerize=services/api"),
    )
    assert "clean" in world.argv(spec, is_uncached=True)


def test_what_gradle_answers_are_the_inputs(tmp_path: Path) -> None:
    world = World(tmp_path, "build.gradle", "src/a.java", "src/gen/b.java", "gradle.properties")
    answer = {
        "build": [str(tmp_path / "build.gradle")],
        "inputs": [str(tmp_path / "src"), str(tmp_path / "extra")],
        "ignore": [str(tmp_path / "src/gen")],
    }
    world.processes.when("gradle", stdout=f"Welcome\n\n\x1b[0mBEGIN JIB JSON\n{json.dumps(answer)}\n")
    found = inputs(tmp_path, world.processes)
    assert names(found) == {"build.gradle", "gradle.properties", "src/a.java"}
    assert found.matches(tmp_path / "extra/c.java")
    assert found.leaves_out(tmp_path / "src/gen")
    assert found.is_defined_by(tmp_path / "gradle/wrapper/gradle-wrapper.properties")
    assert dict(found.values)["tool"] == "gradle 1\n"


def test_a_wrapper_goes_before_the_tool_of_the_machine(tmp_path: Path) -> None:
    write(tmp_path, {"build.gradle": "", "gradlew": "#!/bin/sh\necho BEGIN JIB JSON\necho '{\"inputs\": []}'\n"})
    (tmp_path / "gradlew").chmod(0o755)
    assert names(inputs(tmp_path, RealProcesses())) == {"build.gradle", "gradlew"} - {"build.gradle"}


def test_gradles_cause_is_what_went_wrong(tmp_path: Path) -> None:
    world = World(tmp_path, "build.gradle")
    said = "FAILURE: Build failed with an exception.\n\n* What went wrong:\nCould not resolve all files.\n> offline\n"
    world.processes.when("gradle", stderr=said, code=1)
    with pytest.raises(StepFailed, match="gradle: Could not resolve all files"):
        world.argv(model.Jib())


def test_a_context_with_both_builds_asks_which(tmp_path: Path) -> None:
    world = World(tmp_path, "build.gradle", "pom.xml")
    with pytest.raises(StepFailed, match="both a Maven and a Gradle build") as raised:
        world.asked(model.Jib())
    assert raised.value.hint == "set `jib.type`"
    assert world.asked(model.Jib(type="gradle"))[0] == "gradle"


def test_a_context_with_neither_says_so(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"neither a pom\.xml nor a build\.gradle"):
        World(tmp_path).asked(model.Jib())


def test_a_tool_that_is_not_installed_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    write(tmp_path, {"pom.xml": ""})
    with pytest.raises(UsageError, match="mvn is not installed") as raised:
        inputs(tmp_path, FakeProcesses())
    assert "./mvnw" in str(raised.value.hint)
