"""Tiltfiles and devspace.yaml as a start: what is written out is read, all else is noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config import model
from devloop.config.decode import decode
from devloop.config.importing import devspace, files, tiltfile, writing
from devloop.config.load import load, read, shown
from devloop.config.profiles import Facts
from devloop.config.variables import Sources
from devloop.errors import ConfigError, UsageError
from tests.config.importing.converting import HEAD, plain, written

TILTFILE = """\
load('ext://restart_process', 'docker_build_with_restart')
docker_build('shop/api', 'api', dockerfile='api/dev.Dockerfile', build_args={'A': 'b'}, live_update=[sync('a', 'b')])
docker_build(ref=prefix + '/web', context='web')
custom_build('shop/base', 'docker build -t $EXPECTED_REF base', ['base'])
k8s_yaml(['k8s/a.yaml', 'k8s/b.yaml'])
k8s_yaml('k8s/c.yaml')
k8s_yaml(kustomize('overlays/dev'))
k8s_yaml(helm('charts/db', namespace='data', values='v.yaml', set=['a=b']))
k8s_resource('api', port_forwards=[8080, '9090:80', port_forward(1)])
k8s_resource('web', labels=['a'])
local_resource('seed', 'make seed')
if True:
    k8s_yaml('k8s/d.yaml')
"""

FROM_TILT = """\
apiVersion: devloop/v1
build:
  artifacts:
    - {image: shop/api, context: api, docker: {dockerfile: dev.Dockerfile, buildArgs: {A: b}}}
    - {image: shop/base, custom: {command: docker build -t $IMAGE base, dependencies: {paths: [base]}}}
deploy:
  - {name: manifests, manifests: [k8s/a.yaml, k8s/b.yaml]}
  - {name: manifests-2, manifests: [k8s/c.yaml]}
  - {name: dev, kustomize: {path: overlays/dev}}
  - {name: db, helm: {chart: charts/db, namespace: data, values: [v.yaml], set: {a: b}}}
"""

DEVSPACE = """\
version: v2beta1
name: shop
images:
  api: {image: reg/shop/api:tag, context: api, dockerfile: api/dev/Dockerfile, buildArgs: {A: b}, target: t, entrypoint: [x]}
  base: {image: base, custom: {command: ./build.sh}}
deployments:
  api: {helm: {chart: {name: ./chart}, valuesFiles: [v.yaml], values: {a: b}}, namespace: n}
  raw: {kubectl: {manifests: [k8s]}}
  kus: {kubectl: {manifests: [k], kustomize: true}}
  own: {tanka: {}}
dev:
  api: {imageSelector: reg/shop/api, ports: [{port: "8080:80"}, {port: "90"}], sync: [{path: ./}]}
vars: {X: y}
"""

FROM_DEVSPACE = """\
apiVersion: devloop/v1
build:
  artifacts:
    - {image: reg/shop/api, context: api, docker: {dockerfile: dev/Dockerfile, target: t, buildArgs: {A: b}}}
    - {image: base, custom: {command: ./build.sh}}
deploy:
  - {name: api, helm: {chart: ./chart, namespace: n, values: [v.yaml]}}
  - {name: raw, manifests: [k8s]}
  - {name: kus, kustomize: {path: k}}
portForward:
  - {resource: deployment/api, port: 80, localPort: 8080}
  - {resource: deployment/api, port: 90}
"""


def test_literal_calls_of_a_tiltfile_are_read_and_all_else_noted() -> None:
    made = tiltfile.convert(TILTFILE.encode(), Path("Tiltfile"), "Tiltfile")
    assert plain(made.root) == written(FROM_TILT)
    assert not decode(made.root, model.Project).problems
    assert [(each.place.line, each.matters) for each in made.notes] == [
        (1, True),
        (3, True),
        (9, True),
        (12, True),
        (2, False),
        (10, False),
        (11, False),
    ]


def test_ports_of_a_tiltfile_are_those_of_deployments() -> None:
    text = "k8s_resource('api', port_forwards=[8080, '9090:80', 'http'])"
    made = tiltfile.convert(text.encode(), Path("Tiltfile"), "Tiltfile")
    assert [tuple(each.values()) for each in plain(made.root)["portForward"]] == [
        ("deployment/api", "8080"),
        ("deployment/api", "80", "9090"),
    ]
    assert [each.reason for each in made.notes] == ["`http` is no `PORT` or `LOCAL:PORT`"]


def test_nothing_of_a_tiltfile_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"docker_build(open({str(mark)!r}, 'w').name, '.')\n__import__('os').mkdir({str(mark)!r})\n"
    made = tiltfile.convert(text.encode(), Path("Tiltfile"), "Tiltfile")
    assert len(made.notes) == 2
    assert not mark.exists()


@pytest.mark.parametrize("text", ["docker_build('a'", "\x00", "a" * 3 + "\n  b", "(" * 300 + ")" * 300])
def test_what_is_no_starlark_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tiltfile.convert(text.encode(), Path("Tiltfile"), "Tiltfile")
    assert raised.value.problems[0].line >= 1


def test_images_deployments_and_ports_of_devspace_are_read() -> None:
    made = devspace.convert(DEVSPACE.encode(), Path("devspace.yaml"), "devspace.yaml")
    assert plain(made.root) == written(FROM_DEVSPACE)
    assert not decode(made.root, model.Project).problems
    assert [each.path for each in made.notes if each.matters] == [
        "images.api.entrypoint",
        "deployments.api.helm.values",
        "deployments.own",
        "deployments.own.tanka",
        "vars",
    ]


def test_variables_of_devspace_are_noted() -> None:
    text = "version: v2beta1\nimages: {a: {image: '${REG}/a'}}\n"
    made = devspace.convert(text.encode(), Path("devspace.yaml"), "devspace.yaml")
    assert [each.reason for each in made.notes] == ["it names a variable of DevSpace's: write its value"]


def test_another_version_of_devspace_is_an_error() -> None:
    with pytest.raises(ConfigError, match="only DevSpace's v2beta1"):
        devspace.convert(b"version: v1beta11\n", Path("devspace.yaml"), "devspace.yaml")


def test_the_file_to_import_is_found_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to import"):
        files.find(tmp_path)
    (tmp_path / "Tiltfile").touch()
    assert files.find(tmp_path) == tmp_path / "Tiltfile"
    (tmp_path / "skaffold.yaml").touch()
    assert files.find(tmp_path) == tmp_path / "skaffold.yaml"
    with pytest.raises(UsageError, match="no such file"):
        files.find(tmp_path / "none")


def test_templates_are_written_as_variables_and_dollars_stay_dollars(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(
        HEAD + "build:\n  artifacts:\n    - image: a\n"
        "      docker: {buildArgs: {A: '{{.USER_NAME}}-$x', B: '{{.B | default \"b c\"}}', C: '${C} $$', D: '{{.D | default \"$d\"}}'}}\n"
        "    - {image: b, custom: {buildCommand: 'build ${IMAGE} {{.FLAG}}'}}\n"
    )
    made = files.convert(shop / "skaffold.yaml", read, shown)
    one, other = plain(made.root)["build"]["artifacts"]
    assert one["docker"]["buildArgs"] == {"A": "${USER_NAME}-$x", "B": "${B:-b c}", "C": "$${C} $$$"}
    assert other["custom"]["command"] == "build ${IMAGE} ${FLAG}"
    assert ["D cannot be written" in each.reason for each in made.notes] == [True]


def test_what_is_written_loads_as_the_file_itself(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(
        HEAD + "build:\n  artifacts:\n    - {image: a, docker: {buildArgs: {A: '{{.USER_NAME}}-$x', C: '${C} $$'}}}\n"
    )
    env = {"USER_NAME": "me"}
    there = load(shop / "skaffold.yaml", facts=Facts(env=env))
    made = files.convert(shop / "skaffold.yaml", read, shown)
    (shop / "devloop.yaml").write_text(writing.text(made.root, made.notes, "skaffold.yaml"))
    again = load(shop / "devloop.yaml", sources=Sources(env=env))
    assert again.project == there.project


def test_skaffold_env_is_read_and_watched(shop: Path) -> None:
    (shop / "skaffold.env").write_text("A=file\nB=file\n")
    text = "build: {artifacts: [{image: a, docker: {buildArgs: {A: '{{.A}}', B: '{{.B}}'}}}]}\n"
    (shop / "skaffold.yaml").write_text(HEAD + text)
    loaded = load(shop / "skaffold.yaml", facts=Facts(env={"A": "own"}))
    docker = loaded.project.build.artifacts[0].docker
    assert docker is not None
    assert docker.build_args == {"A": "own", "B": "file"}
    assert loaded.reads(shop / "skaffold.env")
    assert loaded.reads(shop / "skaffold.yaml")
