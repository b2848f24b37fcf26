"""
Log configuration of the commands: one line per record on stderr, as text on a terminal and as JSON elsewhere.

Secrets are masked. The library itself logs through the standard `logging` module and configures nothing.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from connector.cli import log_writer
from connector.cli.output import escaped
from connector.settings.values import Secret, spellings

__all__ = ["Format", "SecretFilter", "configure", "secrets_in"]

Format = Literal["auto", "json", "console"]

FRAMES = 4
"""Innermost frames of a traceback that the text form shows on one line; the JSON form has all frames."""
COLOURS = {"warning": "33", "error": "31", "critical": "31"}


def configure(form: Format, secrets: SecretFilter | None = None) -> None:
    """
    Send the log of this process to stderr: the connector's from INFO up, other libraries' from WARNING up.

    `auto` is `console` on a terminal and `json` elsewhere. `secrets` masks secrets that reach a record in spite of
    `Secret`. A second call replaces the first configuration.
    """
    secrets = secrets or SecretFilter()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    console = form == "console" or (form == "auto" and terminal)
    last: list[Processor] = (
        [_short_exception, secrets, LineRenderer(colours=terminal)]
        if console
        else [structlog.processors.format_exc_info, secrets, _render_json]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = _StderrHandler()
    handler.setFormatter(formatter)
    handler.writer = log_writer.install(partial(_dropped_line, handler))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("connector").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


class _StderrHandler(logging.Handler):
    """
    Passes lines to the non-blocking `writer` of stderr.

    While the live table is shown it replaces `sys.stderr`, and the lines go there, as they do without a writer.
    """

    writer: log_writer.LogWriter | None = None

    def __init__(self) -> None:
        super().__init__()
        self._stderr = sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + "\n"
            if self.writer is not None and sys.stderr is self._stderr:
                self.writer.write(line)
            elif sys.stderr is not None:
                sys.stderr.write(line)
                sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a log that cannot be written must not stop the orders
            with suppress(Exception):  # unlike `logging`, which would print the record with its secrets
                log_writer.echo("a line of the log could not be written")


def _dropped_line(handler: logging.Handler, lines: int) -> str:
    """Return the log line that reports `lines` dropped lines."""
    text = "%d log lines were dropped here because stderr was blocked"
    record = logging.LogRecord("connector.cli.logs", logging.WARNING, __file__, 0, text, (lines,), None)
    return handler.format(record) + "\n"


class SecretFilter:
    """A structlog processor that masks `secrets` in every text of a record: the second line of defence."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({form for secret in secrets for form in spellings(secret)}, key=len, reverse=True)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these secrets as well from now on."""
        forms = {*self._secrets, *(form for secret in secrets for form in spellings(secret))}
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Return a record with its secrets masked."""
        return {self.mask(key): self._masked(value) for key, value in event_dict.items()}

    def _masked(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked(inner) for inner in value]
        return self.mask(value if isinstance(value, str) else str(value))

    def mask(self, text: str) -> str:
        """Return `text` with `***` in place of every secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class LineRenderer:
    """A structlog processor that renders a record as one line of text, with `colours` on a terminal."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> str:
        at, level = str(event_dict.pop("timestamp", ""))[:19], str(event_dict.pop("level", ""))
        event_dict.pop("logger", None)
        text = escaped(str(event_dict.pop("event", "")))
        colour = COLOURS.get(level) if self._colours else None
        shown = f"\x1b[{colour}m{level:<8}\x1b[0m" if colour else f"{level:<8}"
        more = ", ".join(f"{key}={value}" for key, value in event_dict.items())
        return f"{at}Z {shown} {text}" + (f" ({escaped(more)})" if more else "")


def secrets_in(value: Any) -> list[str]:
    """Return every secret in the settings, or in a part of the settings."""
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return []
    return [secret for inner in value for secret in secrets_in(inner)]


def _render_json(_logger: Any, _method: str, event_dict: EventDict) -> str:
    """Render a record as one line of JSON: printable characters as they are, all others escaped."""
    first = {key: event_dict.pop(key, "") for key in ("timestamp", "level", "event")}
    line = json.dumps({**first, **event_dict}, ensure_ascii=False, default=str)
    return line if line.isprintable() else "".join(c if c.isprintable() else _in_json(c) for c in line)


def _in_json(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _short_exception(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Replace an exception by its message and the innermost frames, on one line."""
    info = event_dict.pop("exc_info", None)
    if isinstance(info, tuple) and isinstance(info[1], BaseException):
        frames = reversed(traceback.extract_tb(info[2])[-FRAMES:])
        event_dict["raised"] = f"{type(info[1]).__name__}: {info[1]}"
        event_dict["at"] = " < ".join(f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames)
    return event_dict
