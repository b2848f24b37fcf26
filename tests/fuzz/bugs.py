"""
Bugs that are put into the connector on purpose, one for each target, to see whether the target finds it.

Most of them forget a handler: a name that an `except` of the module names is something there that nobody raises. The
others take a check away. Each is a patch of the runtime while it is tried; nothing of it is in the runtime itself.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from connector.http import endpoint as http
from connector.http import reported_failure
from connector.journal.engine import lock
from connector.settings import interpolation
from tests.fuzz.target import Target

__all__ = ["BUGS", "Caught", "caught"]

Bug = Callable[[ExitStack], object]


class Never(Exception):
    """Raised by nobody."""


class Caught(NamedTuple):
    """The number of the body with which a bug showed, from 1, and the finding; 0 if it did not show."""

    at: int
    what: str


def forgets(module: str, name: str) -> Bug:
    """Return the bug that a module of ours does not handle an exception that it names."""

    def plant(stack: ExitStack) -> None:
        there = importlib.import_module(f"connector.{module}")
        assert there.__file__ is not None
        assert name in Path(there.__file__).read_text("utf-8"), f"connector.{module} does not name {name} any more"
        stack.enter_context(mock.patch.object(there, name, Never, create=True))

    return plant


def _unread_secret(stack: ExitStack) -> None:
    """A secret's file is taken as it is."""

    def taken(name: str, folder: Path) -> str:
        return (folder / name).read_text("utf-8", "replace")

    stack.enter_context(mock.patch.object(interpolation, "_from_file", taken))


def _one_line(stack: ExitStack) -> None:
    """A lock is taken to have two lines."""
    stack.enter_context(mock.patch.object(lock, "_lines", lambda text: text.split("\n", 1)))


def _only_the_system(stack: ExitStack) -> None:
    """Of the errors of a lost request, only the system's are ours."""
    stack.enter_context(mock.patch.object(http, "MAYBE_SENT", (OSError,)))


def _to_the_ground(stack: ExitStack) -> None:
    """The value in the place of an error is looked through, however deep it is."""
    stack.enter_context(mock.patch.object(reported_failure, "DEEPEST", 1_000_000))


BUGS: dict[str, Bug] = {
    "propeller.search": forgets("sources.propeller.paging", "ValueError"),
    "propeller.mark": forgets("sources.propeller.acks", "RecursionError"),
    "propeller.order": forgets("sources.propeller.order", "RecursionError"),
    "propeller.refetch": forgets("sources.propeller.paging", "ValueError"),
    "propeller.check": forgets("http.endpoint", "RecursionError"),
    "propeller.login": forgets("http.endpoint", "RecursionError"),
    "traede.orders.export": forgets("sources.traede.paging", "ValueError"),
    "traede.orders.mark": forgets("sources.traede.acks", "RecursionError"),
    "traede.orders.order": forgets("sources.traede.parsing", "ValueError"),
    "traede.orders.readback": forgets("sources.traede.paging", "ValueError"),
    "traede.orders.refetch": forgets("sources.traede.paging", "ValueError"),
    "traede.orders.check": forgets("sources.traede.paging", "ValueError"),
    "traede.production-orders.export": forgets("sources.traede.paging", "ValueError"),
    "traede.production-orders.mark": forgets("sources.traede.acks", "RecursionError"),
    "traede.production-orders.order": forgets("sources.traede.parsing", "ValueError"),
    "traede.production-orders.readback": forgets("http.endpoint", "RecursionError"),
    "traede.production-orders.refetch": forgets("sources.traede.paging", "ValueError"),
    "traede.production-orders.check": forgets("http.endpoint", "ValueError"),
    "zendera.export": forgets("sources.zendera.paging", "ValueError"),
    "zendera.status": forgets("http.endpoint", "ValueError"),
    "zendera.order": forgets("sources.zendera.order", "ValueError"),
    "zendera.timeline": forgets("sources.zendera.timeline", "ValueError"),
    "zendera.readback": forgets("sources.zendera.source", "ValueError"),
    "zendera.readback of the feed": forgets("sources.zendera.paging", "ValueError"),
    "zendera.check": forgets("http.endpoint", "RecursionError"),
    "zendera.update": forgets("http.endpoint", "ValueError"),
    "ewarehousing.feed": forgets("sources.ewarehousing.source", "ValueError"),
    "ewarehousing.feed of orders": forgets("clients.ewarehousing.responses", "ValueError"),
    "ewarehousing.order": forgets("sources.ewarehousing.order", "ValueError"),
    "ewarehousing.check of the source": forgets("http.endpoint", "ValueError"),
    "ewarehousing.find": forgets("clients.ewarehousing.errors", "ValueError"),
    "ewarehousing.find many": forgets("http.endpoint", "ValueError"),
    "ewarehousing.create": forgets("clients.ewarehousing.errors", "RecursionError"),
    "ewarehousing.update": forgets("http.endpoint", "ValueError"),
    "ewarehousing.update of another": forgets("clients.ewarehousing.errors", "ValueError"),
    "ewarehousing.cancel": forgets("http.endpoint", "ValueError"),
    "ewarehousing.cancel of another": forgets("clients.ewarehousing.errors", "ValueError"),
    "ewarehousing.attach": forgets("http.endpoint", "ValueError"),
    "ewarehousing.attach another": forgets("clients.ewarehousing.errors", "ValueError"),
    "ewarehousing.progress": forgets("http.endpoint", "ValueError"),
    "ewarehousing.progress of many": forgets("http.endpoint", "ValueError"),
    "ewarehousing.check": forgets("http.endpoint", "ValueError"),
    "ewarehousing.shipments": forgets("http.endpoint", "ValueError"),
    "ewarehousing.scan": forgets("http.endpoint", "ValueError"),
    "ewarehousing.get": forgets("http.endpoint", "ValueError"),
    "ewarehousing.document": forgets("http.endpoint", "ValueError"),
    "ewarehousing.document of an order": forgets("http.endpoint", "ValueError"),
    "ewarehousing.login": forgets("http.endpoint", "RecursionError"),
    "ewarehousing.refresh": forgets("http.endpoint", "ValueError"),
    "webhook.create": forgets("receivers.webhook.receiver", "ValueError"),
    "webhook.create by success.when": forgets("receivers.webhook.success", "RecursionError"),
    "webhook.check": forgets("http.endpoint", "ValueError"),
    "webhook.find": forgets("http.reported_failure", "RecursionError"),
    "file.lines": forgets("receivers.file.rows", "ValueError"),
    "file.index": forgets("receivers.file.rows", "ValueError"),
    "file.handed": forgets("receivers.file.handover_log", "ValueError"),
    "journal.lock": _one_line,
    "journal.seen": forgets("journal.engine.sentinel", "ValueError"),
    "journal.report": forgets("pipeline.reports.comparison", "OverflowError"),
    "journal.terms": forgets("sources.traede.settings", "RecursionError"),
    "journal.file": forgets("journal.engine.reader", "ValueError"),
    "settings": forgets("settings.yaml_file", "YAMLError"),
    "settings.file": forgets("settings.load", "UnicodeDecodeError"),
    "settings.reference": forgets("settings.interpolation", "OSError"),
    "settings.secret": _unread_secret,
    "mapping": forgets("mapping.compiler", "ExpressionError"),
    "mapping.expression": forgets("mapping.expressions", "ParseError"),
    "mapping.examples": forgets("settings.yaml_file", "YAMLError"),
    "arguments.time": forgets("cli.param_types", "OverflowError"),
    "arguments.progress": forgets("progress", "OverflowError"),
    "sandbox.shop": forgets("sandbox.server", "InvalidOperation"),
    "sandbox.wholesale": forgets("sandbox.traede.app", "RecursionError"),
    "sandbox.transport": forgets("sandbox.zendera.app", "RecursionError"),
    "sandbox.warehouse": forgets("sandbox.ewarehousing.app", "ValueError"),
    "sandbox.erp": forgets("sandbox.webhook", "ValueError"),
    "web.request": forgets("web.host_check", "ValueError"),
    "web.host": forgets("web.host_check", "ValueError"),
    "http.retry-after": forgets("http.failures", "ValueError"),
    "http.answer": _only_the_system,
    "http.failure": _to_the_ground,
}


def caught(target: Target, most: int, seed: int = 1) -> Caught:
    """Feed a target whose bug is in place until it shows."""

    async def feed() -> Caught:
        for number, (body, status) in enumerate(target.bodies(most, seed)):
            finding, _ = await target.one(body, status)
            if finding is not None:
                return Caught(number + 1, finding.what)
        return Caught(0, "")

    with ExitStack() as stack:
        BUGS[target.name](stack)
        return asyncio.run(feed())
