"""Other processes that use a journal, and can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ROOT", "other_process"]

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def other_process(code: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run `code` in a Python of its own; it is killed at the end, if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
