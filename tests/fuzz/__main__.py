"""
Feed generated answers to every place where a vendor's bytes are read.

    python -m tests.fuzz --bodies 100000 [--endpoint NAME ...] [--seed S] [--list]

Exit 1 if anything but an error of our tree came out, or something took too long; each finding is printed with its body.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import sys
import time

from tests.fuzz.targets import targets

HANGS = 120.0
"""Seconds after which a body that does not end is shown where it stands; the run ends with it."""


def main() -> int:
    """Run what is asked for; return the exit code."""
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed generated answers to the adapters.")
    parser.add_argument("--bodies", type=int, default=1000, help="bodies for each endpoint (default: 1000)")
    parser.add_argument("--endpoint", action="append", help="only those whose name holds this; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="name the endpoints, and end")
    asked = parser.parse_args()
    chosen = [name for name in known if not asked.endpoint or any(part in name for part in asked.endpoint)]
    if asked.list or not chosen:
        sys.stdout.write("\n".join(known) + "\n")
        return 0 if chosen else 2
    findings = 0
    for name in chosen:
        faulthandler.dump_traceback_later(max(HANGS, asked.bodies / 20), exit=True)
        started = time.monotonic()
        found, through, longest = asyncio.run(known[name].run(asked.bodies, asked.seed))
        findings += len(found)
        sys.stdout.write(
            f"{name:32} {asked.bodies:8} bodies, {through:8} came through, {len(found):3} findings, "
            f"longest {longest * 1000:6.1f} ms, {time.monotonic() - started:6.1f} s\n"
        )
        sys.stdout.writelines(f"    {each}\n" for each in found[:10])
        sys.stdout.flush()
    faulthandler.cancel_dump_traceback_later()
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
