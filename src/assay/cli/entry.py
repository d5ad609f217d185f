"""The first lines that run: a Ctrl-C that comes while the program is still being imported ends it as any other does."""

import sys


def main() -> int:
    """Run the command of this process; returns the exit code."""
    try:
        from assay.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        return 130
