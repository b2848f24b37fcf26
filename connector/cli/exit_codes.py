"""Exit codes, and the one place where an error becomes lines on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from connector.cli import log_writer
from connector.errors import ConnectorError, InDoubtError, JournalBusy, JournalStalled, SettingsError, TransientError

__all__ = [
    "HELP",
    "INTERRUPTED",
    "LATER",
    "OK",
    "SETTINGS",
    "TROUBLE",
    "USAGE",
    "code_of",
    "errors_to_exit_code",
    "unwritten",
]

OK = 0
"""All well."""
TROUBLE = 1
"""
It ran, but an order is held or rejected, a report about one is parked, or an endpoint failed; or there is no such
order, or no such file.
"""
USAGE = 2
"""The command line is wrong (click's own)."""
LATER = 75
"""Nobody has to mend anything: another instance holds the journal, or a later try would help (EX_TEMPFAIL)."""
SETTINGS = 78
"""The settings are wrong (EX_CONFIG)."""
INTERRUPTED = 130
"""Ended by Ctrl-C."""

UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS})
"""Errors of a write to stdout. All files that a command writes have names, and errors of their own."""

HELP = (
    "Exit codes: 0 all well; 1 it ran, but an order is held or rejected or an endpoint failed, or what was asked for "
    "could not be done; 2 usage; 75 a second instance, or a later try would help; 78 bad settings; 128 and the number "
    "of the signal (130 for Ctrl-C): ended at once, by a second signal or before it had begun."
)


@contextmanager
def errors_to_exit_code() -> Iterator[None]:
    """
    Turn an error of our own tree into its lines on stderr and `SystemExit` with its code, without a traceback.

    Of an exception group every member is told, if all of them are ours. What is not ours is a defect: it passes,
    traceback and all.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except (ConnectorError, BaseExceptionGroup) as exc:
        errors = list(_leaves(exc))
        for leaf in errors:
            if isinstance(leaf, SystemExit):
                raise leaf from None
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in errors):
            raise SystemExit(INTERRUPTED) from None
        ours = [leaf for leaf in errors if isinstance(leaf, ConnectorError)]
        if len(ours) < len(errors):
            raise
        for line in dict.fromkeys(line for error in ours for line in _lines(error)):
            log_writer.echo(line)
        raise SystemExit(code_of(*ours)) from None
    except OSError as exc:
        if not unwritten(exc):
            raise
        raise SystemExit(TROUBLE) from None


def unwritten(exc: OSError) -> bool:
    """
    Tell whether `exc` is that stdout takes nothing (a full disk, say); then say so in a line on stderr.

    A pipe whose reader has gone is none of this: click ends the command without a word.
    """
    if exc.filename is not None or exc.errno not in UNWRITTEN or sys.stdout is None:
        return False
    log_writer.echo(f"the output could not be written: {exc.strerror}")
    with suppress(OSError, ValueError):  # what is left in its buffer must not fail the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def code_of(*errors: ConnectorError) -> int:
    """Return the exit code for `errors`: what the operator has to mend goes before what may mend itself."""
    if any(isinstance(error, SettingsError) for error in errors):
        return SETTINGS
    passing = (JournalBusy, JournalStalled, TransientError, InDoubtError)
    return LATER if all(isinstance(error, passing) for error in errors) else TROUBLE


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _leaves(inner)
    else:
        yield exc


def _lines(error: ConnectorError) -> list[str]:
    from connector.cli.output import escaped

    problems = error.problems if isinstance(error, SettingsError) else [str(error) or type(error).__name__]
    return [escaped(problem) for problem in problems]
