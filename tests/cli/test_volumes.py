"""The place of the journal: relative to the settings file, on a missing volume, and on a restored volume."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector.sandbox.propeller.orders import propeller_orders
from tests.cli.process import Vendors, ended, run, said, started

FILES = ("connector.db", "connector.db.seen")


def names(folder: Path) -> set[str]:
    """Return the names of the files in a folder."""
    return {each.name for each in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.fault(131)
async def test_one_settings_file_from_two_folders_is_one_journal(tmp_path: Path) -> None:
    """A second instance meets the lock of the first, and every command reads the same journal."""
    vendors = Vendors(tmp_path, 5, unique_reference=False)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    named = ("--settings", str(tmp_path / "settings.yaml"))
    async with vendors.serving():
        async with started(*named, "run", folder=here) as first:
            await said(first, "first start")
            second = await run("--settings", "../settings.yaml", "run", "--once", folder=there)
            first.terminate()
            await ended(first)
        await run("--settings", "../settings.yaml", "run", "--once", folder=there)
        orders = await run(*named, "orders", "--json", folder=there)
        copied = await run(*named, "backup", "copy.db", folder=there)

    assert (75, 0) == (second.code, copied.code)
    assert f"{tmp_path / 'connector.db.lock'}: the journal is in use by process {first.pid} on" in second.err
    assert 5 == orders.out.count('"external_id"')
    assert (set(), {"copy.db"}) == (names(here), names(there))
    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.fault(131)
async def test_a_first_start_says_that_it_is_one(tmp_path: Path) -> None:
    """The first start logs one line with the new journal; the second start does not."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        first, second = await vendors.run_once(), await vendors.run_once()

    line = f"{tmp_path / 'connector.db'}: this is the first start of all here: a new journal was made"
    assert 1 == first.err.count(line)
    assert "first start" not in second.err


@pytest.mark.fault(131)
@pytest.mark.parametrize("key", ["journal", "witness"])
async def test_a_volume_that_is_not_mounted(tmp_path: Path, key: str) -> None:
    """A missing folder is named, nothing is created or sent, and the exit code is 1."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        other = {
            "journal": "journal: mnt/volume/connector.db",
            "witness": "journal: connector.db\nwitness: mnt/volume/w",
        }
        _replace(tmp_path, "journal: connector.db", other[key])
        ended = await vendors.run_once()
        checked = await run("check", "--offline", folder=tmp_path)

    assert (1, 1) == (ended.code, checked.code)
    folder = tmp_path / "mnt" / "volume"
    assert f"{folder}: there is no such folder, and the {key} " in ended.err
    assert f"{folder}: there is no such folder, and the {key} " in checked.out
    assert "mnt" not in names(tmp_path)
    assert [] == vendors.writes


@pytest.mark.slow
@pytest.mark.fault(130)
@pytest.mark.parametrize("how", ["witness", "receiver", "--restored"])
async def test_a_volume_that_is_put_back_doubles_nothing(tmp_path: Path, how: str) -> None:
    """
    Journal and sentinel are restored from one snapshot, and the shop lists again the orders delivered since.

    A witness outside of that volume detects it, and so does the receiver; without them, the operator gives
    `--restored`. The start after it is an ordinary one.
    """
    vendors = Vendors(tmp_path, 20, unique_reference=False)
    async with vendors.serving():
        if how == "witness":
            (tmp_path / "elsewhere").mkdir()
            _replace(tmp_path, "journal: connector.db", "journal: connector.db\nwitness: elsewhere/seen")
        if how == "receiver":
            _replace(tmp_path, "journal: connector.db", "journal: connector.db\nwitness: {receivers: [warehouse]}")
        await vendors.run_once()
        for name in FILES:
            shutil.copyfile(tmp_path / name, tmp_path / f"snapshot-{name}")
        vendors.shop.orders |= {order["id"]: order for order in propeller_orders(40)[20:]}
        await vendors.run_once()
        for order in list(vendors.shop.orders.values())[20:]:
            order |= {"exportStatus": "", "exportedAt": None}  # as if it had never been told
        for name in FILES:
            shutil.copyfile(tmp_path / f"snapshot-{name}", tmp_path / name)
        back = await vendors.run_once(*([how] if how.startswith("-") else []))
        after = await vendors.run_once()

    assert (0, 0) == (back.code, after.code)
    assert "older copy" in back.err
    assert "older copy" not in after.err
    assert "20 delivered (20 found by look-up)" in back.out
    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.fault(130)
async def test_a_check_names_a_witness_on_the_journals_own_volume(tmp_path: Path) -> None:
    """A witness on the same volume would be restored with the journal, and could not detect it."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        _replace(tmp_path, "journal: connector.db", "journal: connector.db\nwitness: other.seen")
        checked = await run("check", "--offline", folder=tmp_path)

    assert 0 == checked.code
    assert "is on the same volume as the journal" in checked.out


def _replace(folder: Path, before: str, after: str) -> None:
    file = folder / "settings.yaml"
    file.write_text(file.read_text("utf-8").replace(before, after), "utf-8")
