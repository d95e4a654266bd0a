"""A stand-in for ytt: it takes the command line that ytt documents, prints the files that it is given, and knows no templates.

Its values come out as a ConfigMap `values`, so that a test sees what was handed over. Written as a program of its own: it is run.
"""

import argparse
import json
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="ytt", allow_abbrev=False)
    parser.add_argument("-f", "--file", action="append", default=[])
    parser.add_argument("--data-values-file", action="append", default=[])
    parser.add_argument("-v", "--data-value", action="append", default=[])
    parser.add_argument("--data-value-yaml", action="append", default=[])
    given = parser.parse_args()
    try:
        printed = [read(path) for each in given.file for path in files(each)]
        values = {"files": "".join(map(read, given.data_values_file))}
    except (OSError, SyntaxError) as exc:
        sys.stderr.write(f"ytt: Error: \n- {exc}\n")
        return 1
    values |= {"texts": ",".join(given.data_value), "yaml": ",".join(given.data_value_yaml)}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"}, "data": values}
    sys.stdout.write("\n---\n".join([*printed, json.dumps(config_map)]) + "\n")
    return 0


def files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if "[that {{" in text:
        raise SyntaxError(f"{path}: cannot be parsed")
    return text


if __name__ == "__main__":
    sys.exit(main())
