"""`python -m devloop` and the `devloop` command: hands the command line on, and answers `--version` before anything heavy loads."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line of this process and ends it with the command's exit code."""
    if sys.argv[1:] == ["--version"]:
        from devloop import __version__

        sys.stdout.write(f"devloop {__version__}\n")
        sys.exit(0)
    from devloop.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
