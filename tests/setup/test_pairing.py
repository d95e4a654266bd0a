"""Which Dockerfile makes which image, case by case; and what a plan makes of it."""

from __future__ import annotations

import pytest

from devloop.errors import UsageError
from devloop.setup import look, pairing, plan, text
from devloop.setup.plan import Decisions
from devloop.setup.records import Source, Use
from tests.init.samples import deployment
from tests.setup.conftest import Plant


def source(dockerfile: str, *ports: int) -> Source:
    folder = dockerfile.rpartition("/")[0] or "."
    return Source(folder, dockerfile, folder, ports)


def use(image: str, file: str = "k8s/all.yaml", workload: str = "", *ports: int) -> Use:
    return Use(image, file, workload, ports=ports)


@pytest.mark.parametrize(
    ("uses", "dockerfiles", "pairs"),
    [
        # By the image's own name, whatever stands before it.
        ([use("a/api"), use("a/web")], ["web/Dockerfile", "api/Dockerfile"], {"a/api": "api", "a/web": "web"}),
        ([use("api_server")], ["api-server/Dockerfile", "web/Dockerfile"], {"api_server": "api-server"}),
        # By a part of it.
        ([use("a/shop-api"), use("a/shop-web")], ["api/Dockerfile", "web/Dockerfile"], {"a/shop-api": "api", "a/shop-web": "web"}),
        # By the workload that runs it.
        ([use("a/x1", workload="deployment/api"), use("a/x2", workload="deployment/web")],
         ["api/Dockerfile", "web/Dockerfile"], {"a/x1": "api", "a/x2": "web"}),
        # By the folder that both lie in.
        ([use("a/x1", "api/k8s/d.yaml"), use("a/x2", "web/k8s/d.yaml")],
         ["api/Dockerfile", "web/Dockerfile"], {"a/x1": "api", "a/x2": "web"}),
        # By the Dockerfile's own name.
        ([use("a/api"), use("a/web")], ["docker/api.Dockerfile", "docker/Dockerfile.web"], {"a/api": "docker", "a/web": "docker"}),
        # What is left on both sides.
        ([use("a/orders"), use("redis")], ["backend/Dockerfile"], {"a/orders": "backend"}),
        ([use("a/api"), use("a/rest")], ["api/Dockerfile", "x/Dockerfile"], {"a/api": "api", "a/rest": "x"}),
        # Somebody else's.
        ([use("redis")], ["backend/Dockerfile"], {}),
        ([use("redis")], ["redis/Dockerfile"], {"redis": "redis"}),
        ([Use("a/b", "k.yaml", is_pinned=True)], ["b/Dockerfile"], {}),
        ([], ["b/Dockerfile"], {}),
        ([use("a/b")], [], {}),
    ],
)  # fmt: skip
def test_images_find_their_dockerfiles(uses: list[Use], dockerfiles: list[str], pairs: dict[str, str]) -> None:
    found = pairing.pair(uses, [source(each) for each in dockerfiles], {})
    assert {image: each.path for image, each in found.pairs.items()} == pairs
    assert found.questions == ()


def test_a_source_is_paired_once_and_the_rest_is_unused() -> None:
    found = pairing.pair([use("a/api")], [source("api/Dockerfile"), source("tools/Dockerfile")], {})
    assert [each.path for each in found.unused] == ["tools"]


def test_what_fits_equally_well_is_a_question_and_an_answer_settles_it() -> None:
    sources = [source("one/Dockerfile"), source("two/Dockerfile")]
    (question,) = pairing.pair([use("a/orders")], sources, {}).questions
    assert (question.image, [each.path for each in question.choices]) == ("a/orders", ["one", "two"])
    answered = pairing.pair([use("a/orders")], sources, {"a/orders": "two/Dockerfile"})
    assert (answered.pairs["a/orders"].path, answered.questions) == ("two", ())
    refused = pairing.pair([use("a/orders")], sources, {"a/orders": None})
    assert (dict(refused.pairs), refused.questions) == ({}, ())


def test_the_port_decides_between_names_that_fit_equally() -> None:
    sources = [source("x/api/Dockerfile", 1), source("y/api/Dockerfile", 2)]
    found = pairing.pair([use("a/api", "k.yaml", "", 2)], sources, {})
    assert found.pairs["a/api"].path == "y/api"


def made(tree: object, found: object, *, deploy: tuple[str, ...] = (), **artifacts: str) -> plan.Plan:
    return plan.make(tree, found, Decisions(artifacts, deploy))  # type: ignore[arg-type]


def test_two_ways_to_deploy_the_same_are_a_choice(plant: Plant) -> None:
    tree = plant(
        {
            "Dockerfile": "FROM x\n",
            "chart/Chart.yaml": "name: web\n",
            "chart/values.yaml": "image: a/web\n",
            "k8s/web.yaml": deployment("web", "a/web", 80),
            "infra/db.yaml": deployment("db", "postgres", 5432),
        }
    )
    found = look.look(tree)
    assert plan.rivals(found) == ("helm", "manifests")
    helm = made(tree, found)
    assert (len(helm.charts), len(helm.manifests)) == (1, 0)
    assert any("manifests: left out" in each for each in helm.notes)
    manifests = made(tree, found, deploy=("manifests",))
    assert (len(manifests.charts), len(manifests.manifests)) == (0, 1)
    assert [(each.resource, each.port, each.local_port) for each in manifests.forwards] == [
        ("deployment/web", 80, 8080)
    ]


def test_different_things_are_deployed_together(plant: Plant) -> None:
    tree = plant(
        {
            "Dockerfile": "FROM x\n",
            "db/Chart.yaml": "name: db\n",
            "db/values.yaml": "image: postgres\n",
            "k8s/web.yaml": deployment("web", "a/web", 80),
        }
    )
    plan_made = made(tree, look.look(tree))
    assert (len(plan_made.charts), len(plan_made.manifests)) == (1, 1)


def test_programs_of_one_name_get_names_of_their_own(plant: Plant) -> None:
    tree = plant({"a/api/Dockerfile": "FROM x\nEXPOSE 80\n", "b/api/Dockerfile": "FROM x\nEXPOSE 80\n"})
    done = made(tree, look.look(tree))
    assert sorted(done.files) == ["k8s/a-api-dockerfile.yaml", "k8s/b-api-dockerfile.yaml"]
    assert [each.local_port for each in done.forwards] == [8080, 8081]


@pytest.mark.parametrize(
    ("decided", "message"),
    [
        (Decisions({"a/b": "nowhere/Dockerfile"}), "no such Dockerfile"),
        (Decisions({"A b": "Dockerfile"}), "no name of an image"),
        (Decisions(deploy=("helm",)), "there is none here"),
    ],
)
def test_a_decision_for_what_is_not_there_is_refused(plant: Plant, decided: Decisions, message: str) -> None:
    tree = plant({"Dockerfile": "FROM x\n", "k8s/web.yaml": deployment("web", "a/web", 80)})
    with pytest.raises(UsageError, match=message):
        plan.make(tree, look.look(tree), decided)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a/b", "a/b"), ("1.0", '"1.0"'), ("yes", '"yes"'), ("k8s/*.yaml", "k8s/*.yaml"), ("a: b", '"a: b"'),
     ('"', '"\\""'), ("", '""'), ("*.yaml", '"*.yaml"')],
)  # fmt: skip
def test_text_that_yaml_would_take_for_something_else_is_quoted(value: str, expected: str) -> None:
    assert text.scalar(value) == expected
