"""Every case of the fault catalogue and of the security list is shown by a test, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalogue.__main__ import table
from tests.catalogue.marks import KINDS, marks, titles
from tests.catalogue.unshown import PENDING, UNSHOWN


def shown(kind: str) -> set[int | None]:
    """Return the numbers that some test carries."""
    return {mark.number for mark in marks() if mark.kind == kind}


@pytest.mark.parametrize(("kind", "last"), [("fault", 154), ("attack", 34)])
def test_the_cases_are_numbered(kind: str, last: int) -> None:
    """Without a gap, and each says what it is."""
    assert list(titles(kind)) == list(range(1, last + 1))
    assert all(titles(kind).values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_marker_names_a_case(kind: str) -> None:
    """A number that is not in the list shows nothing; nor does what is no number."""
    assert [mark.place for mark in marks() if mark.kind == kind and mark.number not in titles(kind)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_is_shown_or_says_why_not(kind: str) -> None:
    """The reason stands in tests/catalogue/unshown.py."""
    excused = {number for listed, number in UNSHOWN if listed == kind} | PENDING[kind]
    missing = set(titles(kind)) - shown(kind) - excused
    assert [f"{kind} {number}: {titles(kind)[number]}" for number in sorted(missing)] == []


def test_no_case_is_excused_that_a_test_shows() -> None:
    """An excuse that is not needed hides the loss of a test; and each says something."""
    assert [case for case in UNSHOWN if case[1] in shown(case[0]) or case[1] not in titles(case[0])] == []
    assert all(len(reason) > 20 for reason in UNSHOWN.values())


def test_markers_are_found_wherever_pytest_takes_them(tmp_path: Path) -> None:
    """On a test, a class, a module, a parameter; and one without a whole number is found as one without."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        "import pytest\n"
        "pytestmark = [pytest.mark.fault(1)]\n"
        "@pytest.mark.fault(2, 3)\n"
        "class Contract:\n"
        "    @pytest.mark.attack(4)\n"
        "    async def test_a(self): ...\n"
        "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.fault(5))])\n"
        "def test_b(x): ...\n"
        "@pytest.mark.fault('6', True, X)\n"
        "@pytest.mark.fault()\n"
        "def test_c(): ...\n"
        "@pytest.mark.fault(*range(1, 3), *range(X))\n"
        "def test_d(): ...\n"
        "ROWS = [pytest.param(row, marks=pytest.mark.fault(*row.cases)) for row in TABLE]\n",
        "utf-8",
    )
    (tests / "table.py").write_text("TABLE = [Row(one, (7, 8)), Row(two, cases=(9,))]\n", "utf-8")
    found = [(mark.line, mark.kind, mark.number, mark.test.partition("::")[2]) for mark in marks(tests)]
    assert sorted(found, key=lambda mark: mark[0]) == [
        (2, "fault", 1, ""),
        (3, "fault", 2, "Contract"),
        (3, "fault", 3, "Contract"),
        (5, "attack", 4, "Contract::test_a"),
        (7, "fault", 5, "test_b"),
        (9, "fault", None, "test_c"),
        (9, "fault", None, "test_c"),
        (9, "fault", None, "test_c"),
        (10, "fault", None, "test_c"),
        (12, "fault", 1, "test_d"),
        (12, "fault", 2, "test_d"),
        (12, "fault", None, "test_d"),
        (14, "fault", 7, ""),
        (14, "fault", 8, ""),
        (14, "fault", 9, ""),
    ]


def test_the_table_names_every_case_and_its_tests() -> None:
    """`python -m tests.catalogue` prints it."""
    for kind in KINDS:
        lines = table(kind).splitlines()
        assert [f"{kind} {number:3}  {title}" for number, title in titles(kind).items()] == [
            line for line in lines if line.startswith(kind)
        ]
        assert {mark.test for mark in marks() if mark.kind == kind} <= {line.strip() for line in lines}
