"""
Logs: one record is one line on stderr, for people on a terminal and as JSON elsewhere, without secrets.

The library logs with the standard library and configures nothing; this does, for the commands that run it.
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
from connector.settings.values import Secret, written

__all__ = ["Format", "Hide", "configure", "secrets_of"]

Format = Literal["auto", "json", "console"]

FRAMES = 4
"""Places of a traceback that fit on a line for people; the JSON form has all of it."""
COLOURS = {"warning": "33", "error": "31", "critical": "31"}


def configure(form: Format, hide: Hide | None = None) -> None:
    """
    Send the log of this process to stderr, from INFO on for the connector and from WARNING on for all else.

    `auto` is `console` on a terminal and `json` elsewhere. What `hide` knows does not come through, should it get
    that far. Calling it again replaces what was there.
    """
    hide = hide or Hide()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    people = form == "console" or (form == "auto" and terminal)
    last: list[Processor] = (
        [_raised_in_short, hide, ForPeople(colours=terminal)]
        if people
        else [structlog.processors.format_exc_info, hide, _for_machines]
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
    handler = _Stderr()
    handler.setFormatter(formatter)
    handler.writer = log_writer.install(partial(_missing, handler))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("connector").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


class _Stderr(logging.Handler):
    """
    Hands lines to the `writer` of stderr, which never makes anybody wait.

    A live display takes stderr over while it is shown; then they go to that. So they do where there is no writer.
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
            with suppress(Exception):  # not what `logging` does: that prints the record, secrets and all
                log_writer.echo("a line of the log could not be written")


def _missing(handler: logging.Handler, lines: int) -> str:
    """Return the line that says that `lines` of the log are missing."""
    text = "%d lines of the log are missing here: stderr took none for a while"
    record = logging.LogRecord("connector.cli.logs", logging.WARNING, __file__, 0, text, (lines,), None)
    return handler.format(record) + "\n"


class Hide:
    """A processor that leaves none of `secrets` in any text of a record. The second line of defence."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({form for secret in secrets for form in written(secret)}, key=len, reverse=True)

    def add(self, secrets: Iterable[str]) -> None:
        """Leave these out as well, from now on."""
        forms = {*self._secrets, *(form for secret in secrets for form in written(secret))}
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        """Take the secrets out of a record."""
        return {self.text(key): self._clean(value) for key, value in event_dict.items()}

    def _clean(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner) for inner in value]
        return self.text(value if isinstance(value, str) else str(value))

    def text(self, text: str) -> str:
        """Return `text` with `***` in the place of every secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class ForPeople:
    """A processor that makes a line to read; `colours` for a terminal."""

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


def secrets_of(value: Any) -> list[str]:
    """Return every secret in the settings, or in a part of them."""
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return []
    return [secret for inner in value for secret in secrets_of(inner)]


def _for_machines(_logger: Any, _method: str, event_dict: EventDict) -> str:
    """Make a line of JSON; what its reader would not see stays escaped, and the rest can be read."""
    first = {key: event_dict.pop(key, "") for key in ("timestamp", "level", "event")}
    line = json.dumps({**first, **event_dict}, ensure_ascii=False, default=str)
    return line if line.isprintable() else "".join(c if c.isprintable() else _in_json(c) for c in line)


def _in_json(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _raised_in_short(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
    """Say in a line what was raised, and where."""
    info = event_dict.pop("exc_info", None)
    if isinstance(info, tuple) and isinstance(info[1], BaseException):
        frames = reversed(traceback.extract_tb(info[2])[-FRAMES:])
        event_dict["raised"] = f"{type(info[1]).__name__}: {info[1]}"
        event_dict["at"] = " < ".join(f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames)
    return event_dict
