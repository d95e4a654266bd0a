"""Charts from elsewhere: a real repository over HTTP and a real OCI registry, asked once and never again."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed
from devloop.render.helm import HelmRenderer
from devloop.scope import Scope
from devloop.stages import Tools

Write = Callable[[dict[str, str]], Path]


class Repository:
    """A chart repository that can go away. `asked`: the paths that it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                asked.append(self.path)

        handler = functools.partial(Handler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def publish(self, name: str, version: str) -> None:
        source = self.folder / "source" / name
        (source / "templates").mkdir(parents=True, exist_ok=True)
        (source / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
        (source / "templates" / "a.yaml").write_text(config_map(name, version))
        subprocess.run(["helm", "package", str(source), "-d", str(self.folder)], check=True, capture_output=True)
        subprocess.run(["helm", "repo", "index", str(self.folder)], check=True, capture_output=True)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def config_map(name: str, version: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{version: {version}}}\n"


@pytest.fixture(autouse=True)
def fresh_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither devloop nor helm remembers a thing."""
    folder = tmp_path_factory.mktemp("home")
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(folder / variable))


@pytest.fixture
def repository(helm: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    found = Repository(tmp_path_factory.mktemp("repository"))
    found.publish("db", "1.0.0")
    found.publish("db", "1.2.0")
    yield found
    found.close()


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of an empty registry of the engine's own."""
    if shutil.which("docker") is None or _docker("image", "inspect", "registry:2").returncode:
        pytest.skip("no engine with registry:2")
    network = "bridge" if _docker("network", "inspect", "kind").returncode else "kind"  # engines may have no bridge
    started = _docker("run", "--detach", "--network", network, "--publish", "127.0.0.1:0:5000", "registry:2")
    assert started.returncode == 0, started.stderr
    name = started.stdout.strip()
    try:
        address = f"localhost:{_docker('port', name, '5000/tcp').stdout.split(':')[-1].strip()}"
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        _docker("rm", "--force", "--volumes", name)


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)


def versions(scope: Scope, base: Path, tools: Tools, **helm: object) -> dict[str, str]:
    unit = model.Unit(name="u", helm=model.Helm(**helm))  # type: ignore[arg-type]
    HelmRenderer().inputs(scope, unit, base, tools)
    found = HelmRenderer().render(scope, unit, base, "default", tools)
    return {each.object["metadata"]["name"]: each.object["data"]["version"] for each in found}


def test_a_chart_of_a_repository_is_fetched_once(
    scope: Scope, write: Write, helm: Tools, repository: Repository
) -> None:
    base = write({})
    wanted = {"chart": "db", "repo": repository.url, "version": "1.0.0"}
    assert versions(scope, base, helm, **wanted) == {"db": "1.0.0"}
    repository.close()
    assert versions(scope, base, helm, **wanted) == {"db": "1.0.0"}


@pytest.mark.parametrize("version", [None, "^1.0"])
def test_a_range_is_resolved_once_and_said(
    scope: Scope, write: Write, helm: Tools, repository: Repository, version: str | None
) -> None:
    said: list[str] = []
    tools = Tools(helm.processes, helm.engine, said.append)
    base = write({})
    wanted = {"chart": "db", "repo": repository.url, "version": version}
    assert versions(scope, base, tools, **wanted) == {"db": "1.2.0"}
    repository.publish("db", "1.3.0")
    assert versions(scope, base, tools, **wanted) == {"db": "1.2.0"}
    (line,) = said
    assert line.startswith(
        f"fetched db-1.2.0.tgz for db{' ^1.0' if version else ''} of {repository.url}; it stays until "
    )


def test_a_chart_that_the_repository_lacks_is_told(
    scope: Scope, write: Write, helm: Tools, repository: Repository
) -> None:
    with pytest.raises(StepFailed, match=r"helm pull db 9\.9\.9 of http") as told:
        versions(scope, write({}), helm, chart="db", repo=repository.url, version="9.9.9")
    assert told.value.where == "deploy/u"
    assert "9.9.9" in told.value.message.partition(": ")[2]


def test_a_dependency_of_a_repository_is_supplied_without_touching_the_chart(
    scope: Scope, write: Write, helm: Tools, repository: Repository
) -> None:
    dependency = f"dependencies: [{{name: db, version: ^1.0, repository: '{repository.url}'}}]\n"
    base = write(
        {
            "chart/Chart.yaml": f"apiVersion: v2\nname: shop\nversion: 1.0.0\n{dependency}",
            "chart/templates/a.yaml": config_map("shop", "1.0.0"),
        }
    )
    assert versions(scope, base, helm, chart="chart") == {"shop": "1.0.0", "db": "1.2.0"}
    repository.close()
    assert versions(scope, base, helm, chart="chart") == {"shop": "1.0.0", "db": "1.2.0"}
    assert sorted(each.name for each in (base / "chart").iterdir()) == ["Chart.yaml", "templates"]


def test_a_lock_file_decides_the_version_of_a_dependency(
    scope: Scope, write: Write, helm: Tools, repository: Repository
) -> None:
    dependency = "dependencies: [{{name: db, version: {}, repository: '{}'}}]\n"
    base = write(
        {
            "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
            + dependency.format("^1.0", repository.url),
            "chart/Chart.lock": dependency.format("1.0.0", repository.url),
        }
    )
    assert versions(scope, base, helm, chart="chart") == {"db": "1.0.0"}


def test_a_packaged_chart_is_rendered_and_watched(
    scope: Scope, write: Write, helm: Tools, repository: Repository
) -> None:
    base = write({})
    shutil.copy(repository.folder / "db-1.0.0.tgz", base)
    assert versions(scope, base, helm, chart="db-1.0.0.tgz") == {"db": "1.0.0"}
    unit = model.Unit(name="u", helm=model.Helm(chart="db-1.0.0.tgz"))
    found = HelmRenderer().inputs(scope, unit, base, helm)
    assert found.files == (base / "db-1.0.0.tgz",)
    assert found.matches(base / "db-1.0.0.tgz")


def test_a_chart_of_a_registry_is_fetched_once(
    scope: Scope, write: Write, helm: Tools, repository: Repository, registry: str
) -> None:
    archive = str(repository.folder / "db-1.0.0.tgz")
    pushed = subprocess.run(
        ["helm", "push", archive, f"oci://{registry}/charts", "--plain-http"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert pushed.returncode == 0, pushed.stderr
    base = write({})
    wanted = {"chart": f"oci://{registry}/charts/db", "version": "1.0.0"}
    assert versions(scope, base, helm, **wanted) == {"db": "1.0.0"}
    dependency = f"dependencies: [{{name: db, version: 1.0.0, repository: 'oci://{registry}/charts'}}]\n"
    write({"chart/Chart.yaml": f"apiVersion: v2\nname: shop\nversion: 1.0.0\n{dependency}"})
    assert versions(scope, base, helm, chart="chart") == {"db": "1.0.0"}
    with pytest.raises(StepFailed) as told:
        versions(scope, base, helm, chart=f"oci://{registry}/charts/other", version="1.0.0")
    assert told.value.hint == "`helm registry login HOST` signs in"
