"""How long `devloop --help` and `--version` take, against Python itself and, where it is installed, kubectl.

Run: .venv/bin/python bench/startup.py [RUNS]. Prints medians in milliseconds, and ratios to an empty Python program of the same run.
Budget (DESIGN §7): ≤ 100 ms.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def median_ms(argv: Sequence[str], runs: int) -> float:
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    devloop = str(Path(sys.executable).with_name("devloop"))
    commands: dict[str, list[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "devloop --version": [devloop, "--version"],
        "devloop --help": [devloop, "--help"],
        "devloop run --help": [devloop, "run", "--help"],
    }
    if kubectl := shutil.which("kubectl"):
        commands["kubectl version --client"] = [kubectl, "version", "--client"]
    figures = {name: median_ms(argv, runs) for name, argv in commands.items()}
    base = figures["python -c pass"]
    for name, figure in figures.items():
        print(f"{name:28} {figure:7.1f} ms  {figure / base:5.1f} × python")


if __name__ == "__main__":
    main()
