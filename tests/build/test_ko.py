"""The ko builder, with the real go and ko: what a program is made of, when that can change, and the image in the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devloop.build.ko import KoBuilder
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

PROGRAM = {
    "go.mod": "module example.com/shop\n\ngo 1.21\n",
    "cmd/api/main.go": (
        'package main\n\nimport (\n\t"fmt"\n\n\t"example.com/shop/words"\n)\n\n'
        'var version = "none"\n\nfunc main() { fmt.Println(words.All(), version) }\n'
    ),
    "cmd/api/main_test.go": "package main\n",
    "cmd/api/other_windows.go": "package main\n",
    "cmd/api/kodata/page.html": "page",
    "words/words.go": 'package words\n\nimport _ "embed"\n\n//go:embed text\nvar all string\n\nfunc All() string { return all }\n',
    "words/text": "hello from ko",
    "unused/unused.go": "package unused\n",
    "README.md": "",
}
API = model.Ko(main="./cmd/api")


@pytest.fixture
def go() -> None:
    for program in ("go", "ko"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; tests/testbed/up installs ko")


@pytest.fixture
def tree(go: None, tmp_path: Path) -> Path:
    write(tmp_path, PROGRAM)
    return tmp_path


def inputs(folder: Path, spec: model.Ko = API, **options: object) -> Inputs:
    artifact = model.Artifact("ko/api", ko=spec, **options)  # type: ignore[arg-type]
    return KoBuilder(os.environ).inputs(Scope(), artifact, folder, Tools(RealProcesses(), FakeEngine()))


def names(found: Inputs) -> set[str]:
    return {Path(os.path.relpath(path, found.base)).as_posix() for path in found.files}


def test_the_inputs_are_what_the_program_is_made_of(tree: Path) -> None:
    found = inputs(tree)
    assert names(found) == {"go.mod", "cmd/api/main.go", "cmd/api/kodata/page.html", "words/words.go", "words/text"}
    assert found.roots == (tree,)
    assert found.matches(tree / "cmd/api/kodata/new.html")
    assert not found.matches(tree / "unused/unused.go")
    assert "go list" in found.why(tree / "words/words.go")
    assert "no package" in found.why(tree / "unused/unused.go")


def test_the_programs_folder_may_be_named_as_ko_and_skaffold_do(tree: Path) -> None:
    for spec in (model.Ko(main="cmd/api"), model.Ko(main="example.com/shop/cmd/api"), model.Ko(dir="cmd/api")):
        assert "words/text" in names(inputs(tree, spec))


def test_configuration_of_ko_and_sums_count_as_soon_as_they_are_there(tree: Path) -> None:
    found = inputs(tree)
    for name in (".ko.yaml", "go.sum", "go.mod"):
        assert found.is_defined_by(tree / name)
    (tree / ".ko.yaml").write_text("defaultBaseImage: a\n")
    assert ".ko.yaml" in names(inputs(tree))


def test_an_edit_that_imports_nothing_new_lists_nothing_again(tree: Path) -> None:
    found, main = inputs(tree), tree / "cmd/api/main.go"
    main.write_text(main.read_text().replace("version)", 'version, "more")'))
    assert found.matches(main)
    assert not found.is_defined_by(main)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"fmt"', '"fmt"\n\t_ "example.com/shop/unused"'),
        ("package main", "//go:build linux\n\npackage main"),
        ("var version", "//go:embed kodata\nvar version"),
        ("import (", "/*\nimport ("),
    ],
)
def test_an_edit_that_can_bring_other_files_lists_again(tree: Path, old: str, new: str) -> None:
    found, main = inputs(tree), tree / "cmd/api/main.go"
    main.write_text(main.read_text().replace(old, new, 1))
    assert found.is_defined_by(main)


def test_new_and_removed_files_list_again_where_they_can_matter(tree: Path) -> None:
    found = inputs(tree)
    assert found.is_defined_by(tree / "words/more.go")
    assert found.is_defined_by(tree / "cmd/api/other_windows.go")  # its constraint may have gone
    assert found.is_defined_by(tree / "words")
    assert not found.is_defined_by(tree / "words/more_test.go")
    assert not found.is_defined_by(tree / "words/notes.txt")
    assert not found.is_defined_by(tree / "unused/more.go")
    (tree / "words/text").unlink()
    assert found.is_defined_by(tree / "words/text")


def test_folders_that_the_program_does_not_use_are_not_watched(tree: Path) -> None:
    found = inputs(tree)
    assert found.leaves_out(tree / "unused")
    assert found.leaves_out(tree / "node_modules")
    for name in ("cmd", "cmd/api", "cmd/api/kodata", "cmd/api/kodata/deep", "words"):
        assert not found.leaves_out(tree / name)


def test_modules_of_a_workspace_and_replaced_ones_are_read_too(go: None, tmp_path: Path) -> None:
    main = 'package main\n\nimport (\n\t_ "example.com/lib"\n\t_ "example.com/near"\n)\n\nfunc main() {}\n'
    write(
        tmp_path,
        {
            "go.work": "go 1.21\n\nuse (\n\t./app\n\t./near\n)\n",
            "app/go.mod": "module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n",
            "app/main.go": main,
            "lib/go.mod": "module example.com/lib\n\ngo 1.21\n",
            "lib/lib.go": "package lib\n",
            "near/go.mod": "module example.com/near\n\ngo 1.21\n",
            "near/near.go": "package near\n",
        },
    )
    found = inputs(tmp_path, model.Ko(), context="app")
    assert names(found) == {
        *("go.mod", "main.go", "../go.work", "../lib/go.mod", "../lib/lib.go", "../near/go.mod", "../near/near.go"),
    }
    assert {tmp_path / "app", tmp_path / "lib", tmp_path / "near"} <= set(found.roots)


def test_an_import_that_is_not_there_is_told_with_its_place(tree: Path) -> None:
    write(tree, {"words/words.go": 'package words\n\nimport _ "example.com/shop/gone"\n'})
    with pytest.raises(StepFailed, match=r"example\.com/shop/gone") as raised:
        inputs(tree)
    assert raised.value.where == "words/words.go:3:8"


def test_what_decides_besides_files_is_in_the_values(tree: Path) -> None:
    first = dict(inputs(tree).values)
    assert first["builder"] == "ko"
    assert first["go"].startswith("go1.")
    assert first["ko"]
    for other in (model.Ko("./cmd/api", flags=("-v",)), model.Ko("./cmd/api", env=("A=b",))):
        assert dict(inputs(tree, other).values) != first


def test_a_base_image_counts_unless_it_is_built_from_this_file(tree: Path) -> None:
    spec = model.Ko("./cmd/api", from_image="a/base")
    assert inputs(tree, spec).images == ("a/base",)
    assert inputs(tree, spec, requires=(model.Require("a/base"),)).images == ()


def test_ko_that_is_not_installed_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ko is not installed") as raised:
        KoBuilder().inputs(Scope(), model.Artifact("a", ko=API), tmp_path, Tools(FakeProcesses(), FakeEngine()))
    assert "ko.build" in str(raised.value.hint)


@pytest.fixture
def tools(engine: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


@pytest.fixture
def ref(tools: Tools) -> Iterator[str]:
    name = f"devloop-test/ko-{uuid.uuid4().hex[:8]}:tag1"
    yield name
    tools.engine.untag(name)


def job(folder: Path, ref: str, spec: model.Ko, **options: object) -> BuildJob:
    requires = (model.Require("ko/base"),)
    return BuildJob(model.Artifact("ko/api", ko=spec, requires=requires), folder, ref, {"BASE": "busybox:1.37"})


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_the_image_is_in_the_engine_on_the_base_that_the_engine_has(tree: Path, tools: Tools, ref: str) -> None:
    spec = model.Ko(
        "./cmd/api",
        from_image="ko/base",
        flags=("-tags=dev",),
        ldflags=("-s -w", "-X 'main.version=1, or 2'"),
        labels={"shop": "a,b"},
    )
    image_id = KoBuilder().build(Scope(), job(tree, ref, spec), tools)
    found = tools.engine.inspect(ref)
    assert found is not None
    assert found.image_id == image_id
    assert found.tags == (ref,)
    base = tools.engine.inspect("busybox:1.37")
    assert base is not None
    assert found.layers[: len(base.layers)] == base.layers
    assert not any(tag.startswith("ko.local/devloop-base") for tag in base.tags)
    assert "hello from ko 1, or 2" in output("docker", "run", "--rm", ref)
    assert output("docker", "run", "--rm", "--entrypoint=cat", ref, "/var/run/ko/page.html") == "page"
    assert output("docker", "inspect", "--format={{.Config.Labels.shop}}", ref).strip() == "a,b"


def test_a_program_that_does_not_compile_is_told_with_its_place(tree: Path, tools: Tools, ref: str) -> None:
    (tree / "words/words.go").write_text("package words\n\nfunc All() string { return 1 }\n")
    with pytest.raises(StepFailed, match=r"ko: cannot use 1") as raised:
        KoBuilder().build(Scope(), job(tree, ref, model.Ko("./cmd/api", from_image="busybox:1.37")), tools)
    assert raised.value.where == "words/words.go:3:28"
    assert any("cannot use 1" in line for line in raised.value.evidence)
    assert tools.engine.inspect(ref) is None
