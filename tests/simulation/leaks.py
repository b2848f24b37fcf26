"""
S14: no secret of the settings, and no token that a vendor issued, is in anything that a run emits.

The checked outputs are the records of the log (message, arguments, traceback), the errors of every call, the events,
the health and metrics pages, and the journal's file, byte by byte, with the content that was removed from it.
"""

from __future__ import annotations

import logging
import sqlite3
import traceback
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from connector import bus
from connector.cli.logs import secrets_in
from connector.http import endpoint as http
from connector.settings import Settings
from connector.settings.values import spellings
from tests.simulation.world import World

__all__ = ["Leaks"]

LOGGERS = ("connector", "asyncio", "aiohttp")


class Leaks:
    """Looks for the secrets of one schedule; each one found is a violation in its world."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._world = world
        self._texts: list[str] = []
        self._bytes: list[bytes] = []
        self.know(secrets_in(settings))

    def know(self, secrets: Iterable[str]) -> None:
        """Look for these, too, as they are and as they may be written."""
        for secret in secrets:
            forms = {*spellings(secret), b64encode(secret.encode()).decode().rstrip("=")}
            self._texts += sorted(forms - set(self._texts))
        self._bytes = [text.encode() for text in self._texts]

    def seek(self, text: str, where: str) -> None:
        """Look at a text."""
        self._world.counts["looked at for secrets"] += 1
        for number, secret in enumerate(self._texts):
            if secret in text:
                shown = text.replace(secret, "<HERE>")
                self._world.violated("S14", "", f"a secret (form {number}) is in {where}: {shown[:300]!r}")
                return

    def seek_in_journal(self, journal: sqlite3.Connection) -> None:
        """Look at the whole file."""
        content = journal.serialize()
        for number, secret in enumerate(self._bytes):
            if secret in content:
                self._world.violated("S14", "", f"a secret (form {number}) is in the journal")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Look at the log, the errors and the events of everything that runs meanwhile; nothing of it is printed."""
        before = logging.root.manager.disable
        logging.disable(logging.NOTSET)
        ear = _Ear(self)
        try:
            with ExitStack() as stack:
                for name in LOGGERS:
                    stack.enter_context(_heard(logging.getLogger(name), ear))
                stack.enter_context(self._errors())
                stack.enter_context(self._events())
                yield
        finally:
            logging.disable(before)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        real = http.Endpoint.call
        own = self

        async def call(self: Any, *args: Any, **how: Any) -> Any:
            try:
                return await real(self, *args, **how)
            except Exception as exc:
                if not how.get("authorized", True):
                    raise  # a log-in is a part of another call: what it raises is dropped there, or goes on
                own.seek(f"{exc!r} {_said(exc)}", "an error of a call")
                raise

        with mock.patch.object(http.Endpoint, "call", call):
            yield

    @contextmanager
    def _events(self) -> Iterator[None]:
        real = bus.Bus.notice
        own = self

        def notice(self: Any, event: Any) -> None:
            own.seek(repr(event), "an event")
            real(self, event)

        with mock.patch.object(bus.Bus, "notice", notice):
            yield


class _Ear(logging.Handler):
    """Looks at every record; an error in that is not hidden."""

    def __init__(self, leaks: Leaks) -> None:
        super().__init__(logging.DEBUG)
        self._leaks = leaks

    def handle(self, record: logging.LogRecord) -> bool:
        parts = [record.getMessage(), repr(record.__dict__)]
        if record.exc_info and record.exc_info[1] is not None:
            parts.append(_said(record.exc_info[1]))
        self._leaks.seek("\n".join(parts), f"a record of the log, {record.name}")
        return True


@contextmanager
def _heard(logger: logging.Logger, ear: logging.Handler) -> Iterator[None]:
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [ear], False
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def _said(exc: BaseException) -> str:
    """Return the text of a traceback of `exc`, but for the lines of source in it, in which there is no secret."""
    lines: list[str] = []
    found = [exc]
    for each in found:
        lines += traceback.format_exception_only(each)
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        others = (*([before] if before is not None else ()), *getattr(each, "exceptions", ()))
        found += [other for other in others if other not in found]
    return "".join(lines)
