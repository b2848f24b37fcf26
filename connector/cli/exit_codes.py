"""Exit codes, and the conversion of errors into lines on stderr and an exit code."""

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
    "stdout_failed",
]

OK = 0
"""Success."""
TROUBLE = 1
"""
The command ran, but an order is held or rejected, a report about an order is parked, or an endpoint failed; or the
given order or file does not exist.
"""
USAGE = 2
"""The command line is wrong (click's own exit code)."""
LATER = 75
"""Nothing needs repair: another instance holds the journal, or a later attempt may succeed (EX_TEMPFAIL)."""
SETTINGS = 78
"""The settings have mistakes (EX_CONFIG)."""
INTERRUPTED = 130
"""Ended by Ctrl-C."""

WRITE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS})
"""Errors of a write to stdout. Errors of other files carry a file name, which an error of stdout does not."""

HELP = (
    "Exit codes: 0 success; 1 the command ran, but an order is held or rejected, an endpoint failed, or the command "
    "could not do its work; 2 wrong usage; 75 another instance is running, or a later attempt may succeed; 78 mistakes "
    "in the settings; 128 + N stopped at once by signal N (130: Ctrl-C), before the start or by a second signal."
)


@contextmanager
def errors_to_exit_code() -> Iterator[None]:
    """
    Print a `ConnectorError` to stderr without a traceback, and raise `SystemExit` with its exit code.

    - An exception group of only such errors prints each of them once.
    - Any other exception is a defect and passes through, with its traceback.
    - `KeyboardInterrupt` ends with 130, and a `SystemExit` inside a group keeps its code.
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
        if not stdout_failed(exc):
            raise
        raise SystemExit(TROUBLE) from None


def stdout_failed(exc: OSError) -> bool:
    """
    Return whether `exc` is a failed write to stdout (to a full disk, say); if so, report it on stderr.

    A closed pipe is not such an error: click ends the command silently.
    """
    if exc.filename is not None or exc.errno not in WRITE_ERRORS or sys.stdout is None:
        return False
    log_writer.echo(f"the output could not be written: {exc.strerror}")
    with suppress(OSError, ValueError):  # a rest in the buffer of stdout must not fail the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def code_of(*errors: ConnectorError) -> int:
    """Return the exit code for `errors`: errors that need an operator take precedence over those that may pass."""
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
