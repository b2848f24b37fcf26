"""A consumer of the files that a file receiver makes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.receivers.file.bench import FORMS, held

__all__ = ["Consumer"]


class Consumer:
    """Takes visible files away by renaming them, reads them, and deletes them."""

    def __init__(self, folder: Path, form: str = "jsonl") -> None:
        self.folder = folder
        self.form = form if form in FORMS else "jsonl"
        self.have: Counter[str] = Counter()
        self.torn: list[str] = []
        """Files that were not whole when they were there to be taken."""
        self.taken = folder.parent / f"{folder.name}-taken"
        self.taken.mkdir(exist_ok=True)
        self.lock = threading.Lock()
        """Held while files move from the folder to the consumer."""
        self._number = 0

    def take(self) -> None:
        """Take every file that is there now."""
        with self.lock:
            for each in sorted(self.folder.iterdir()):
                if not each.name.startswith("."):
                    self._take(each)

    @contextmanager
    def coming(self, pause: float = 0.0) -> Iterator[None]:
        """Let it come again and again, in a thread of its own, with a pause between."""
        ended = threading.Event()

        def loop() -> None:
            while not ended.wait(pause):
                self.take()

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _take(self, path: Path) -> None:
        self._number += 1
        own = self.taken / str(self._number)
        try:
            path.rename(own)
        except FileNotFoundError:
            return
        try:
            self.have.update(held(own, self.form) if own.stat().st_size else ())
        except (AssertionError, ValueError):
            self.torn.append(path.name)
        own.unlink()
