"""The command line: `python -m connector`, and the script that an installation puts on the path."""

from __future__ import annotations

import sys

from connector import early_signals

__all__ = ["run"]


def run() -> None:
    """Run the command line; signals are recorded from here on, before the slow imports."""
    if early_signals.listens(sys.argv[1:]):
        early_signals.arm()
    from connector.cli import exit_codes, main

    try:
        main(prog_name="connector")
    except OSError as exc:  # output before a command is called, such as its help
        if not exit_codes.stdout_failed(exc):
            raise
        raise SystemExit(exit_codes.TROUBLE) from None


if __name__ == "__main__":
    run()
