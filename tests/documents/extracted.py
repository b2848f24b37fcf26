"""Reads the documents: their marked code blocks, sections, tables, headings and links."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["TOP", "anchors", "block", "document", "documents", "prose", "rows", "section"]

TOP = Path(__file__).resolve().parents[2]
"""The checkout; the package itself may be installed elsewhere."""


def documents() -> list[str]:
    """Return the names of all documents, relative to the checkout."""
    return ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (TOP / "docs").glob("*.md"))]


def document(name: str) -> str:
    """Return a document's text."""
    return (TOP / name).read_text("utf-8")


def block(name: str, mark: str) -> str:
    """Return the code between two markers of a document."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```\n<!-- /{mark} -->", document(name), re.DOTALL)
    assert found, f"{name} has no part {mark}"
    return found[1]


def section(name: str, title: str) -> str:
    """Return the text under a heading of the second level."""
    return document(name).split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[str]:
    """Return the first cells of all tables in a text."""
    return re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)


def prose(text: str) -> str:
    """Return a text without its fenced code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(name: str) -> set[str]:
    """Return the anchors of a document: those of its headings, as GitHub writes them, and its `<a id>`."""
    text = prose(document(name))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    found = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return found | set(re.findall(r'<a id="([^"]+)">', text))
