"""Collects the problems of one settings file with their places, and shows values without showing secrets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from connector.errors import SettingsError, readable
from connector.settings.interpolation import Filled
from connector.settings.yaml_file import Path, YamlDocument

__all__ = ["Problems", "did_you_mean", "nearest"]

LONGEST_SHOWN = 60


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the element of `known` that is most similar to `word`, or None if none is similar."""
    candidates = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return candidates[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `word`; empty if nothing in `known` is similar."""
    found = nearest(word, known)
    return f", did you mean '{found}'?" if found else ""


class Problems:
    """Collects the problems of one file; `filled` holds the texts that contained references, by path."""

    def __init__(self, name: str, document: YamlDocument) -> None:
        self.name = name
        self.document = document
        self.filled: dict[Path, Filled] = {}
        self._found = list(document.problems)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, text: str, *, at_key: bool = False) -> None:
        """
        Record a problem in the value at `path`, or in its key. Problems that
        follow from an earlier one are dropped.
        """
        if self.is_broken(path):
            return
        place = self.document.key_place(path) if at_key else self.document.place(path)
        self._found.append((place, path, text))

    def break_at(self, path: Path, text: str) -> None:
        """Record that the value at `path` cannot be read; nothing more is reported about it."""
        self.add(path, text)
        self.document.broken.add(path)

    def is_broken(self, path: Path) -> bool:
        """Return True if the value at `path`, or one around it, could not be read."""
        return any(path[:length] in self.document.broken for length in range(len(path) + 1))

    def breaks_in(self, path: Path) -> bool:
        """Return True if the value at `path`, or one around or inside it, could not be read."""
        return self.is_broken(path) or any(each[: len(path)] == path for each in self.document.broken)

    def blames(self, path: Path) -> bool:
        """Return True if a problem was recorded at `path` or inside it."""
        return self.breaks_in(path) or any(each[: len(path)] == path for _, each, _ in self._found)

    def shown(self, path: Path, value: Any) -> str:
        """
        Return a value as a message shows it: the way it is written in the file.

        The value of a reference is never shown. Callers must not pass secrets.
        """
        if isinstance(value, dict | list):
            return "a mapping" if isinstance(value, dict) else "a list"
        written = self.document.written.get(path)
        if written is None or (value is None and not written):
            return "nothing"
        text = readable(written, LONGEST_SHOWN)
        return f"'{text}'" if isinstance(value, str) or path in self.filled else text

    def raise_any(self) -> None:
        """Raise `SettingsError` with every problem, in the order of the file; return if there is none."""
        lines = []
        for (line, column), path, text in sorted(self._found, key=lambda found: (found[0], found[2])):
            where = ".".join(str(step) for step in path)
            lines.append(f"{self.name}:{line}:{column}: {where + ': ' if where else ''}{text}")
        if lines:
            raise SettingsError(list(dict.fromkeys(lines)))
