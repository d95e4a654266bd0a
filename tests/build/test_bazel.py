"""The Bazel builder, with the real Bazel where it is installed, and its words for it with a stand-in."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devloop.build.bazel import BazelBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply
from tests.build.tools import write

# What rules_docker's `.tar` targets and rules_oci's oci_load do, without fetching anything.
PACK = r"""#!/bin/sh
set -e
out=$PWD/$1; shift
work=$(mktemp -d)
mkdir "$work/root" "$work/image"
for each in "$@"; do cp -L "$each" "$work/root"; done
tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 -cf "$work/image/layer.tar" .
diff=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff" \
  > "$work/image/config.json"
printf '[{"Config":"config.json","RepoTags":["devloop-test/bazel:own"],"Layers":["layer.tar"]}]' > "$work/image/manifest.json"
tar -C "$work/image" -cf "$out" .
rm -rf "$work"
"""
LOAD = """
def _load(ctx):
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(script, "exit 0")
    return [DefaultInfo(files = depset([script])), OutputGroupInfo(tarball = depset([ctx.file.image]))]

load_image = rule(implementation = _load, attrs = {"image": attr.label(allow_single_file = True)})
"""
BUILD = """
load("//rules:load.bzl", "load_image")

genrule(
    name = "image",
    srcs = ["page.txt", "//words"],
    outs = ["image.tar"],
    cmd = "$(location //rules:pack.sh) $@ $(SRCS)",
    tools = ["//rules:pack.sh"],
)

load_image(name = "load", image = ":image")
"""
PROJECT = {
    "WORKSPACE": "",
    "web/BUILD": BUILD,
    "web/page.txt": "page\n",
    "web/notes.txt": "",
    "words/BUILD.bazel": 'filegroup(name = "words", srcs = glob(["**/*.txt"]), visibility = ["//visibility:public"])\n',
    "words/a.txt": "a\n",
    "words/deep/b.txt": "b\n",
    "rules/BUILD": 'exports_files(["pack.sh"])\n',
    "rules/load.bzl": LOAD,
    "rules/pack.sh": PACK,
    "other/BUILD": "",
    "other/o.txt": "",
}


def artifact(target: str = "//web:image", *args: str) -> model.Artifact:
    return model.Artifact("bazel/web", bazel=model.Bazel(target, args))


def inputs(folder: Path, target: str = "//web:image") -> Inputs:
    return BazelBuilder().inputs(Scope(), artifact(target), folder, Tools(RealProcesses(), FakeEngine()))


def names(found: Inputs) -> set[str]:
    return {path.relative_to(found.base).as_posix() for path in found.files}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a Bazel server of its own, which ends with the tests."""
    if shutil.which("bazel") is None:
        pytest.skip("Bazel is not installed; tests/testbed/up --all installs it")
    folder = tmp_path_factory.mktemp("bazel")
    yield folder
    subprocess.run(["bazel", "shutdown"], cwd=folder, capture_output=True, check=False)


@pytest.fixture
def tree(workspace: Path) -> Path:
    for each in workspace.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
    write(workspace, PROJECT)
    (workspace / "rules/pack.sh").chmod(0o755)
    return workspace


READ = {"WORKSPACE", "web/BUILD", "web/page.txt", "rules/BUILD", "rules/load.bzl", "rules/pack.sh"}
READ |= {"words/BUILD.bazel", "words/a.txt", "words/deep/b.txt"}


def test_the_inputs_are_the_sources_and_build_files_of_the_target(tree: Path) -> None:
    found = inputs(tree)
    assert names(found) == READ
    assert found.matches(tree / "words/a.txt")
    assert not found.matches(tree / "web/notes.txt")
    for name in ("web/BUILD", "rules/load.bzl", "MODULE.bazel", ".bazelrc"):
        assert found.is_defined_by(tree / name)
    assert not found.is_defined_by(tree / "web/page.txt")
    assert {tree / "web", tree / "words", tree / "rules"} <= set(found.roots)
    assert "depends on it" in found.why(tree / "words/a.txt")
    assert "does not depend" in found.why(tree / "other/o.txt")


def test_what_comes_and_goes_in_a_package_lists_again(tree: Path) -> None:
    found = inputs(tree)
    write(tree, {"words/deep/new.txt": "", "other/new.txt": "", "words/sub/BUILD": ""})
    (tree / "words/a.txt").unlink()
    assert found.is_defined_by(tree / "words/deep/new.txt")
    assert found.is_defined_by(tree / "words/a.txt")
    assert found.is_defined_by(tree / "words/sub/BUILD")
    assert not found.is_defined_by(tree / "other/new.txt")
    assert names(inputs(tree)) == READ - {"words/a.txt"} | {"words/deep/new.txt"}


def test_packages_that_the_target_does_not_use_are_not_watched(tree: Path) -> None:
    found = inputs(tree)
    assert found.leaves_out(tree / "other")
    assert not found.leaves_out(tree / "words/deep")


def test_a_target_that_is_not_there_is_told_as_bazel_does(tree: Path) -> None:
    with pytest.raises(StepFailed, match="bazel query: no such target '//web:gone'") as raised:
        inputs(tree, "//web:gone")
    assert raised.value.where == "image/bazel/web"


@pytest.fixture
def tools(engine: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


@pytest.fixture
def ref(tools: Tools) -> Iterator[str]:
    name = f"devloop-test/bazel-{uuid.uuid4().hex[:8]}:tag1"
    yield name
    tools.engine.untag(name)


@pytest.mark.parametrize("target", ["//web:image", "//web:image.tar", "//web:load"])
def test_the_archive_is_loaded_under_our_ref_only(tree: Path, tools: Tools, ref: str, target: str) -> None:
    image_id = BazelBuilder().build(Scope(), BuildJob(artifact(target), tree, ref, {}), tools)
    found = tools.engine.inspect(ref)
    assert found is not None
    assert found.image_id == image_id
    assert found.tags == (ref,)
    made = subprocess.run(["docker", "create", ref, "x"], check=True, capture_output=True, text=True).stdout.strip()
    copied = subprocess.run(["docker", "cp", f"{made}:/b.txt", "-"], check=True, capture_output=True).stdout
    subprocess.run(["docker", "rm", made], check=True, capture_output=True)
    assert b"b\n" in copied


def test_an_action_that_fails_is_told_with_its_place(tree: Path, tools: Tools, ref: str) -> None:
    write(tree, {"rules/pack.sh": "#!/bin/sh\necho because >&2\nexit 3\n"})
    with pytest.raises(StepFailed, match="bazel build: Executing genrule //web:image failed") as raised:
        BazelBuilder().build(Scope(), BuildJob(artifact(), tree, ref, {}), tools)
    assert raised.value.where == "web/BUILD:4:8"
    assert "because" in raised.value.evidence


def test_a_target_without_an_archive_is_an_error_with_the_cure(tree: Path, tools: Tools, ref: str) -> None:
    with pytest.raises(StepFailed, match=r"makes words/a\.txt, words/deep/b\.txt, not one archive") as raised:
        BazelBuilder().build(Scope(), BuildJob(artifact("//words"), tree, ref, {}), tools)
    assert "oci_load" in str(raised.value.hint)


def test_its_words_for_bazel(tmp_path: Path) -> None:
    """The archive that cquery names is looked for where Bazel says that it runs its actions."""
    processes, engine = FakeProcesses(), FakeEngine()
    (tmp_path / "MODULE.bazel").write_text("")
    processes.when("bazel", "clean")
    processes.when("bazel", "build")
    processes.when("bazel", "cquery", stdout="bazel-out/bin/web/image.tar\n")
    processes.when("bazel", "info", stdout="/out/execroot/_main\n")

    def load(_call: Call) -> Reply:
        engine.add("own/name:latest", [{"a": b"1"}])
        return Reply("Loaded image: own/name:latest\n")

    processes.when("docker", "load", does=load)
    job = BuildJob(artifact("//web:image", "--config=dev"), tmp_path, "shop/web:1a2b", {}, True)
    assert BazelBuilder().build(Scope(), job, Tools(processes, engine)) == engine.stored("shop/web:1a2b").image_id
    assert engine.inspect("own/name:latest") is None
    clean, build, cquery, info, loading = (each.argv for each in processes.calls)
    quiet = ("--color=no", "--noshow_progress")
    assert clean == ("bazel", "clean", *quiet)
    assert build == ("bazel", "build", *quiet, "--config=dev", "--output_groups=+tarball", "//web:image")
    assert cquery[:6] == ("bazel", "cquery", *quiet, "--config=dev", "--output=starlark")
    assert info == ("bazel", "info", *quiet, "--config=dev", "execution_root")
    assert loading == ("docker", "load", "--input", "/out/execroot/_main/bazel-out/bin/web/image.tar")


def test_a_context_outside_of_a_workspace_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="in no Bazel workspace"):
        inputs(tmp_path)


def test_bazel_that_is_not_installed_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "WORKSPACE").write_text("")
    with pytest.raises(UsageError, match="bazel is not installed") as raised:
        BazelBuilder().inputs(Scope(), artifact(), tmp_path, Tools(FakeProcesses(), FakeEngine()))
    assert "bazel.build" in str(raised.value.hint)
