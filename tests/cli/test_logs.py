"""Each log record is one line without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import msgspec
import pytest

from connector.cli.logs import SecretFilter, configure, secrets_in
from connector.settings.values import Secret

SECRET = 'g3heim "quoted" /path+é'
logger = logging.getLogger("connector.test")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore the logging configuration after each test."""
    root, ours = logging.getLogger(), logging.getLogger("connector")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(capture=False)


def fail() -> None:
    """Raise an exception with text from outside."""
    raise ValueError(f"first\nsecond \x1b[31m {SECRET}")


def log_all() -> None:
    """Log difficult text: line breaks, escapes, bidirectional marks, and a traceback."""
    logger.info("a\r\nb \x1b[2J \u202e \x7f \ud800 \u2028 \U000e0041 %s", "ü", extra={"order": "1\n2"})
    try:
        fail()
    except ValueError:
        logger.exception("it failed")


@pytest.mark.attack(16, 17)
def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A record in JSON is one line that decodes to the same text and contains no unprintable character."""
    configure("json")
    log_all()

    lines = capsys.readouterr().err.split("\n")
    assert "" == lines.pop()
    assert all(line.isprintable() for line in lines)
    first, second = (json.loads(line) for line in lines)
    assert "a\r\nb \x1b[2J \u202e \x7f \ud800 \u2028 \U000e0041 ü" == first["event"]
    assert ("1\n2", "info", "connector.test") == (first["order"], first["level"], first["logger"])
    assert "ü" in lines[0]
    assert "error" == second["level"]
    assert "ValueError: first\nsecond" in second["exception"]


@pytest.mark.attack(16, 17)
def test_console_is_one_line_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    """A record as text is one line too, with unprintable characters escaped and an exception in short form."""
    configure("console")
    log_all()

    lines = capsys.readouterr().err.split("\n")
    assert "" == lines.pop()
    assert 2 == len(lines)
    assert all(line.isprintable() for line in lines)
    assert r"a\r\nb \x1b[2J \u202e" in lines[0]
    assert "raised=ValueError: first\\nsecond" in lines[1]
    assert "fail < test_logs.py" in lines[1]


@pytest.mark.attack(24)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_comes_through(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """A secret in a message, an argument, an extra or a traceback is `***`, also in its URL and JSON forms."""
    configure("json" if form == "json" else "console", SecretFilter([SECRET]))
    logger.warning("%s", SECRET, extra={"nested": {"a": [SECRET]}, SECRET: 1})
    logger.warning("GET /x?token=g3heim%20%22quoted%22%20%2Fpath%2B%C3%A9")
    logger.warning('{"password": %s}', json.dumps(SECRET))
    log_all()

    text = capsys.readouterr().err
    assert "g3heim" not in text
    assert text.count("***") >= 6


def test_what_others_chatter_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """The connector's records are logged from INFO up, those of libraries from WARNING up."""
    configure("json")
    for name in ("connector.any", "aiohttp.any"):
        logging.getLogger(name).info("info of %s", name)
        logging.getLogger(name).debug("debug of %s", name)
        logging.getLogger(name).warning("warning of %s", name)

    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert ["info of connector.any", "warning of connector.any", "warning of aiohttp.any"] == events


def test_a_record_that_cannot_be_written_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong logging call is one line that repeats none of its arguments."""
    configure("json")
    logger.warning("%d %d", SECRET)

    assert "a line of the log could not be written\n" == capsys.readouterr().err


def test_auto_is_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal `auto` is JSON."""
    configure("auto")
    logger.info("hello")

    assert "hello" == json.loads(capsys.readouterr().err)["event"]


def test_every_secret_of_the_settings_is_found() -> None:
    """Secrets are found at any depth: in structs, in mappings and in lists."""

    class Inner(msgspec.Struct):
        name: str
        key: Secret | None = None

    class Outer(msgspec.Struct):
        inner: dict[str, Inner]
        many: list[Inner]

    settings = Outer({"a": Inner("x", Secret("one"))}, [Inner("y"), Inner("z", Secret("two"))])

    assert ["one", "two"] == secrets_in(settings)
