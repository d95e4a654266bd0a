"""How long loading a large configuration takes: 50 artifacts, 50 units, 10 profiles; in one file, and in 5 modules.

Run: .venv/bin/python bench/config.py [RUNS]. Prints medians, in milliseconds of the processor, of each step, of the whole, of a process
that does nothing else and of `devloop config validate`, each with none and with all of the profiles active; and ratios to reading the
same text with PyYAML's C loader in the same run. Budget (issue 7): `devloop config validate` of the 5 modules ≤ 300 ms.
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

ARTIFACTS, MODULES, PROFILES = 50, 5, 10
PROCESS = (
    "import sys; from pathlib import Path; from devloop.config.load import load; load(Path(sys.argv[1]), sys.argv[2:])"
)


def text(numbers: range = range(ARTIFACTS), name: str = "shop") -> str:
    """A configuration as large projects have them: every artifact with its options, hooks and unit, every profile with changes to some."""
    lines = ["apiVersion: devloop/v1", f"metadata: {{name: {name}}}", "build:", "  artifacts:"]
    for number in numbers:
        lines += [
            f"    - image: shop/service-{number}",
            f"      context: services/{number}",
            "      docker:",
            "        target: dev",
            "        buildArgs: {VERSION: dev, LEVEL: debug}",
            *([f"      requires: [{{image: shop/service-{number - 1}, alias: BASE}}]"] if number % 5 else []),
        ]
    lines += ["deploy:"]
    for number in numbers:
        lines += [
            f"  - name: service-{number}",
            f"    manifests: [services/{number}/k8s/*.yaml]",
            *([f"    needs: [service-{number - 1}]"] if number % 5 else []),
        ]
    lines += ["portForward:"]
    for number in numbers:
        lines += [f"  - {{resource: deployment/service-{number}, port: 8080, localPort: {9000 + number}}}"]
    lines += ["profiles:"]
    for profile in range(PROFILES):
        lines += [f"  - name: profile-{profile}", "    build:", "      artifacts:"]
        for changed in numbers[profile::PROFILES]:
            lines += [
                f"        - image: shop/service-{changed}",
                f"          docker: {{buildArgs: {{LEVEL: p{profile}}}}}",
            ]
        lines += [
            "    patches:",
            f"      - {{op: replace, path: /build/artifacts/{profile}/docker/target, value: other}}",
        ]
    return "\n".join(lines) + "\n"


def services(folder: Path, numbers: range) -> None:
    for number in numbers:
        service = folder / "services" / str(number)
        (service / "k8s").mkdir(parents=True)
        (service / "Dockerfile").write_text("FROM scratch AS dev\nFROM dev AS other\n")
        (service / "k8s" / "service.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")


def project(folder: Path) -> Path:
    """Writes it in one file, with all that it names."""
    services(folder, range(ARTIFACTS))
    file = folder / "devloop.yaml"
    file.write_text(text())
    return file


def modules(folder: Path) -> Path:
    """The same in one file for each module, and one that requires them and hands its profiles on."""
    each = ARTIFACTS // MODULES
    lines = ["apiVersion: devloop/v1", "metadata: {name: all}", "requires:"]
    for module in range(MODULES):
        numbers, home = range(module * each, (module + 1) * each), folder / f"module-{module}"
        services(home, numbers)
        (home / "devloop.yaml").write_text(text(numbers, home.name))
        lines += [f"  - {{path: {home.name}}}"]
    file = folder / "devloop.yaml"
    file.write_text("\n".join(lines) + "\n")
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


def commands(parted: Path, asked: Sequence[str], runs: int) -> dict[str, float]:
    """The same with modules, and the whole command."""
    command = [
        sys.executable,
        "-m",
        "devloop",
        "config",
        "validate",
        "-f",
        str(parted),
        *(f"-p{each}" for each in asked),
    ]
    return {
        "5 modules: load": median_ms(lambda: load.load(parted, asked), runs),
        "5 modules: devloop config validate": median_ms(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), max(3, runs // 4)
        ),
    }


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    everything = [f"profile-{number}" for number in range(PROFILES)]
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as other:
        file, parted = project(Path(name)), modules(Path(other))
        data = file.read_bytes()
        base = median_ms(lambda: yaml.load(data, yaml.CSafeLoader), runs)
        python = median_ms(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), runs)
        none = steps(file, [], runs) | commands(parted, [], runs)
        every = steps(file, everything, runs) | commands(parted, everything, runs)
    print(f"{len(data)} bytes, {data.count(10)} lines; PyYAML's C loader {base:.1f} ms, python -c pass {python:.1f} ms")
    for step, figure in none.items():
        print(
            f"{step:36} {figure:7.1f} ms  all profiles {every[step]:7.1f} ms  {every[step] / base:5.1f} × the C loader"
        )


if __name__ == "__main__":
    main()
