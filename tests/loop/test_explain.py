"""What a file is to a project and what a target hangs on, from inputs and a state alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from devloop.errors import DevloopError, StepFailed
from devloop.graph import Graph, Node
from devloop.loop.explain import Known, of_file, of_target
from devloop.loop.state import Have, State
from devloop.products import Inputs, Rendered

BASE = Path("/p")


def reading(*files: str) -> Inputs:
    paths = tuple(BASE / each for each in files)
    return Inputs(
        base=BASE,
        files=paths,
        roots=(BASE,),
        matches=lambda path: path in paths,
        definitions=frozenset({BASE / "Definition"}) if "lib/x" in files else frozenset(),
        why=lambda path: "named" if path in paths else "not named",
    )


def known(**more: Inputs | DevloopError) -> Known:
    """Artifact `api` on `lib`, unit `web` with `api` after unit `db`."""
    graph = Graph({"lib": (), "api": ("lib",)}, {"db": (), "web": ("db",)})
    have = {
        Node("deploy/web", "render"): Have("1", Rendered("web", (), frozenset({"api"}), "1")),
        Node("deploy/db", "render"): Have("1", Rendered("db", (), frozenset(), "1")),
    }
    inputs: dict[str, Inputs | DevloopError] = {
        "image/lib": reading("lib/x", "lib/y"),
        "image/api": replace(reading("api/x"), images=("busybox:1.37",)),
        "deploy/db": reading("k8s/db.yaml"),
        "deploy/web": reading("k8s/web.yaml", "lib/y"),
    }
    return Known(
        State(graph, have=have),
        {**inputs, **more},
        frozenset({BASE / "devloop.yaml"}),
        lambda path: path.relative_to(BASE).as_posix(),
    )


ROLL = ("apply deploy/web", "ready deploy/web")


def test_a_source_is_built_into_all_that_stands_on_it() -> None:
    told = of_file(known(), BASE / "lib/x")
    assert told.path == "lib/x"
    assert told.feeds == {"image/lib": "named"}
    assert told.ignored_by == dict.fromkeys(("image/api", "deploy/db", "deploy/web"), "not named")
    assert told.follows == (
        "build image/lib",
        "place image/lib",
        "build image/api",
        "place image/api",
        *ROLL,
    )


def test_a_manifest_is_rendered_and_a_shared_file_feeds_both() -> None:
    assert of_file(known(), BASE / "k8s/web.yaml").follows == ("render deploy/web", *ROLL)
    shared = of_file(known(), BASE / "lib/y")
    assert set(shared.feeds) == {"image/lib", "deploy/web"}
    assert "render deploy/web" in shared.follows


def test_a_definition_that_is_not_there_counts() -> None:
    assert set(of_file(known(), BASE / "Definition").feeds) == {"image/lib"}


def test_what_nobody_reads_leads_to_nothing() -> None:
    told = of_file(known(), BASE / "notes")
    assert told.feeds == {}
    assert told.follows == ()


def test_a_folder_is_what_lies_below_it() -> None:
    assert of_file(known(), BASE / "lib").feeds == {"image/lib": "2 files below it", "deploy/web": "1 file below it"}


def test_the_configuration_feeds_all() -> None:
    told = of_file(known(), BASE / "devloop.yaml")
    assert set(told.feeds) == set(known().inputs)
    assert told.ignored_by == {}


def test_a_target_whose_inputs_cannot_be_told_may_read_anything() -> None:
    broken = known(**{"image/api": StepFailed("there is no Dockerfile", where="api/Dockerfile")})
    assert of_file(broken, BASE / "notes").feeds == {
        "image/api": "what it reads cannot be told: there is no Dockerfile"
    }
    told = of_target(broken, "image/api", digest="abc")
    assert told.why == ("its inputs cannot be told: api/Dockerfile: there is no Dockerfile",)
    assert (told.digest, told.owed, told.files) == ("", None, ())


def test_a_target_says_what_it_hangs_on_and_what_hangs_on_it() -> None:
    lib = of_target(known(), "image/lib", digest="abc", ref="lib:abc")
    assert (lib.files, lib.builds_on, lib.feeds, lib.ref) == (("lib/x", "lib/y"), (), ("image/api",), "lib:abc")
    api = of_target(known(), "image/api", digest="abc")
    assert (api.builds_on, api.images, api.feeds) == (("image/lib",), ("busybox:1.37",), ("deploy/web",))
    web = of_target(known(), "deploy/web", digest="abc")
    assert (web.builds_on, web.feeds) == (("image/api", "deploy/db"), ())
    assert of_target(known(), "deploy/db", digest="abc").feeds == ("deploy/web",)


def test_an_edit_of_a_test_leads_to_the_test_alone_and_one_of_the_image_to_it_too() -> None:
    whole = known(**{"test/api": reading("tests/api")})
    whole = replace(whole, state=replace(whole.state, graph=replace(whole.state.graph, tests=frozenset({"api"}))))
    assert of_file(whole, BASE / "tests/api").follows == ("test test/api",)
    assert of_file(whole, BASE / "api/x").follows == ("build image/api", "test test/api", "place image/api", *ROLL)
    assert of_target(whole, "image/api", digest="abc").feeds == ("test/api", "deploy/web")
    test = of_target(whole, "test/api", digest="abc")
    assert (test.files, test.builds_on, test.feeds) == (("tests/api",), ("image/api",), ())
