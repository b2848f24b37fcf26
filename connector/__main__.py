"""`python -m connector`: the command line without the script that an installation puts on the path."""

from __future__ import annotations

from connector.cli import main

if __name__ == "__main__":
    main(prog_name="connector")
