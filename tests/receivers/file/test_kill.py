"""`kill -9` while a real process writes real files: nothing torn, nothing lost that was promised, nothing twice."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from connector.receivers.file.staging import hidden
from tests.journal.processes import other_process
from tests.receivers.file.bench import FORMS, delivery, held, order, receiver

ORDERS = 60
KILLS = 4

WRITER = f"""
import sys
from pathlib import Path
import anyio
from tests.receivers.file.bench import FORMS, delivery, order, receiver

async def main() -> None:
    async with receiver(Path(sys.argv[1]), **FORMS[sys.argv[2]]) as made, anyio.create_task_group() as tg:
        room = anyio.Semaphore(8)

        async def one(number: str) -> None:
            async with room:
                if await made.find("shop-" + number) is None:
                    await made.create(delivery(made, order(number, 3, notes="x" * 60_000)))
                print(number, flush=True)

        for number in map(str, range({ORDERS})):
            tg.start_soon(one, number)

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
async def test_killed_again_and_again_while_it_writes(tmp_path: Path, form: str) -> None:
    """Each process is killed after a few orders, in the middle of the next ones; the last one is let finish."""
    path, random, promised = tmp_path / "orders", Random(form), set[str]()
    aside = 0
    for _ in range(KILLS):
        with other_process(WRITER, path, form) as process:
            assert process.stdout is not None
            for _ in range(len(promised) + random.randint(1, 6)):
                promised.add("shop-" + process.stdout.readline().strip())
            process.kill()
        aside += hidden(path).exists()
        assert not path.exists() or path.read_bytes().endswith(b"\n"), "what a consumer sees is whole"
        async with receiver(path, **FORMS[form]) as made:
            found = [await made.find(each) is not None for each in promised]
        assert all(found), "what was promised is there"

    async with receiver(path, **FORMS[form]) as made:
        for number in map(str, range(ORDERS)):
            if await made.find(f"shop-{number}") is None:
                await made.create(delivery(made, order(number)))
    assert sorted(held(path, form)) == sorted(f"shop-{number}" for number in range(ORDERS))
    assert len(promised) < ORDERS, f"the kills came in the middle ({aside} left the file aside)"
