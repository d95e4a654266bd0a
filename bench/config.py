"""How long loading a large configuration takes: 50 artifacts, 50 units, 10 profiles.

Run: .venv/bin/python bench/config.py [RUNS]. Prints medians, in milliseconds of the processor, of each step, of the whole, and of a
process that does nothing else, each with none and with all of the profiles active; and ratios to reading the same text with PyYAML's C
loader in the same run. Budget (issue 7): `devloop config validate` of such a project, with 5 modules, ≤ 300 ms. Modules are not in it yet.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from devloop.config import defaults, files, load, model, profiles, tree, validate
from devloop.config.decode import decode
from devloop.config.paths import Positions
from devloop.config.profiles import NOWHERE

ARTIFACTS, PROFILES = 50, 10
PROCESS = (
    "import sys; from pathlib import Path; from devloop.config.load import load; load(Path(sys.argv[1]), sys.argv[2:])"
)


def text() -> str:
    """A configuration as large projects have them: every artifact with its options, hooks and unit, every profile with changes to some."""
    lines = ["apiVersion: devloop/v1", "metadata: {name: shop}", "build:", "  artifacts:"]
    for number in range(ARTIFACTS):
        lines += [
            f"    - image: shop/service-{number}",
            f"      context: services/{number}",
            "      docker:",
            "        target: dev",
            "        buildArgs: {VERSION: dev, LEVEL: debug}",
            *([f"      requires: [{{image: shop/service-{number - 1}, alias: BASE}}]"] if number % 5 else []),
        ]
    lines += ["deploy:"]
    for number in range(ARTIFACTS):
        lines += [
            f"  - name: service-{number}",
            f"    manifests: [services/{number}/k8s/*.yaml]",
            *([f"    needs: [service-{number - 1}]"] if number % 5 else []),
        ]
    lines += ["portForward:"]
    for number in range(ARTIFACTS):
        lines += [f"  - {{resource: deployment/service-{number}, port: 8080, localPort: {9000 + number}}}"]
    lines += ["profiles:"]
    for number in range(PROFILES):
        lines += [f"  - name: profile-{number}", "    build:", "      artifacts:"]
        for changed in range(number, ARTIFACTS, PROFILES):
            lines += [
                f"        - image: shop/service-{changed}",
                f"          docker: {{buildArgs: {{LEVEL: p{number}}}}}",
            ]
        lines += [
            "    patches:",
            f"      - {{op: replace, path: /build/artifacts/{number}/docker/target, value: other}}",
        ]
    return "\n".join(lines) + "\n"


def project(folder: Path) -> Path:
    """Writes it, with all that it names."""
    for number in range(ARTIFACTS):
        service = folder / "services" / str(number)
        (service / "k8s").mkdir(parents=True)
        (service / "Dockerfile").write_text("FROM scratch AS dev\nFROM dev AS other\n")
        (service / "k8s" / "service.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    file = folder / "devloop.yaml"
    file.write_text(text())
    return file


def median_ms(run: Callable[[], object], runs: int) -> float:
    """Of the processor's time, here and in children that ended: other work on the machine does not count."""
    times = []
    for _ in range(runs + 1):
        began = _spent_s()
        run()
        times.append((_spent_s() - began) * 1000)
    return statistics.median(times[1:])


def _spent_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def steps(file: Path, asked: Sequence[str], runs: int) -> dict[str, float]:
    """Medians of the steps of `load.load`, each on what the one before it made, and of all at once."""
    data = file.read_bytes()
    root = tree.parse(data, "devloop.yaml").root
    merged = profiles.apply(root, asked, NOWHERE).root
    filled = defaults.fill(decode(merged, model.Project).value, file.parent)
    positions = Positions(merged)
    process = [sys.executable, "-c", PROCESS, str(file), *asked]
    return {
        "text → tree": median_ms(lambda: tree.parse(data, "devloop.yaml"), runs),
        "profiles": median_ms(lambda: profiles.apply(root, asked, NOWHERE), runs),
        "tree → model": median_ms(lambda: decode(merged, model.Project), runs),
        "defaults": median_ms(lambda: defaults.fill(decode(merged, model.Project).value, file.parent), runs),
        "rules": median_ms(lambda: validate.check(filled, positions), runs),
        "what it names on disk": median_ms(lambda: files.check(filled, file.parent, positions), runs),
        "load": median_ms(lambda: load.load(file, asked), runs),
        "a process that loads": median_ms(lambda: subprocess.run(process, check=True), max(3, runs // 4)),
    }


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        file = project(Path(name))
        data = file.read_bytes()
        base = median_ms(lambda: yaml.load(data, yaml.CSafeLoader), runs)
        python = median_ms(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), runs)
        none = steps(file, [], runs)
        every = steps(file, [f"profile-{number}" for number in range(PROFILES)], runs)
    print(f"{len(data)} bytes, {data.count(10)} lines; PyYAML's C loader {base:.1f} ms, python -c pass {python:.1f} ms")
    for step, figure in none.items():
        print(
            f"{step:24} {figure:7.1f} ms  all profiles {every[step]:7.1f} ms  {every[step] / base:5.1f} × the C loader"
        )


if __name__ == "__main__":
    main()
