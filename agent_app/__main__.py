"""The command line's outermost layer: what ends the program, and with which exit code."""

from __future__ import annotations

import logging
import os
import sys
from typing import Literal, TextIO

OK, FAILED, USAGE, BUDGET, INTERRUPTED = 0, 1, 2, 3, 130


def main() -> None:
    """Run the command line and leave with its exit code.

    0 done · 1 an answer is missing or failed · 2 the call or a setting is wrong · 3 a budget ended
    the run early · 130 interrupted. A bug ends in a traceback, as it should.
    """
    _prepare_streams()
    _show_notes()
    from agent_app.errors import AgentAppError, UserError

    try:
        from agent_app.cli import app

        code = app.main(prog_name="agent-app", standalone_mode=False) or OK
    except SystemExit as ended:
        code = _left_by(ended)
    except UserError as error:
        code = _complain(error, USAGE)
    except AgentAppError as error:
        code = _complain(error, FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
        sys.stderr.write("\ninterrupted\n")
    except BrokenPipeError:
        code = FAILED
    except OSError as error:
        if error.filename is not None:
            code = _complain(f"cannot use {error.filename}: {error.strerror}", USAGE)
        elif _stdout_works():
            raise
        else:
            code = _without_stdout(error, OK)
    except Exception as error:  # noqa: BLE001 - click's errors share no base; all else goes on its way
        code = _click_code(error)
    sys.exit(_flushed(code))


def _left_by(ended: SystemExit) -> int:
    """Return the exit code; a tool that ended the program in the middle of a run has not done well."""
    from agent_app.errors import partial_result

    if isinstance(ended.code, int) and ended.code:
        return ended.code
    if not ended.code and partial_result(ended) is None:
        return OK
    why = f": {ended.code}" if ended.code else ""
    return _complain(f"something called sys.exit before the program was done{why}", FAILED)


def _prepare_streams() -> None:
    """Make sure that there are all three streams, and that each takes any text.

    Where one was closed before the program began there is nothing to read then, what is said on stderr is
    lost, and writing to stdout fails, as it should: an answer that goes nowhere is none. So no file that is
    opened later can get the number of a stream either.
    """
    sys.stdin = sys.stdin or _nowhere("r", os.O_RDONLY)
    sys.stdout = sys.stdout or _nowhere("w", os.O_RDONLY)
    sys.stderr = sys.stderr or _nowhere("w", os.O_WRONLY)
    # A lone surrogate or a terminal of another encoding must not end an answer half-way.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _nowhere(mode: Literal["r", "w"], access: int) -> TextIO:
    number = os.open(os.devnull, access)
    return open(number, mode, encoding="utf-8", closefd=False)


class _Notes(logging.Handler):
    """Shows what the program logs as one of its lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        _complain(record.getMessage(), OK)


def _show_notes() -> None:
    log = logging.getLogger("agent_app")
    if not log.handlers:
        log.addHandler(_Notes())


def _stdout_works() -> bool:
    """Say whether stdout can be written to, and so is not what an error came from."""
    try:
        sys.stdout.write("\n")  # something must be written, as an unbuffered stream holds nothing back
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _flushed(code: int) -> int:
    """Write what stdout still holds, and return the exit code; another one if that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _without_stdout(error, code)
    return code


def _without_stdout(error: OSError, code: int) -> int:
    """Give stdout up, and return the exit code: not that of success."""
    from agent_app.terminal import give_up

    give_up(sys.stdout)
    if code == OK and not isinstance(error, BrokenPipeError):  # a reader that has gone knows that
        return _complain(f"cannot write to stdout: {error.strerror}", FAILED)
    return code or FAILED


def _click_code(error: Exception) -> int:
    """Return the exit code for what click raises; anything else is a bug and goes on its way."""
    import click

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        sys.stderr.write("interrupted\n")  # click has ended the line
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(f"{error.format_message()}\n")
        return error.exit_code
    if isinstance(error, click.ClickException):
        lines = error.format_message().splitlines()
        return _complain(" ".join(line.strip() for line in lines), error.exit_code)
    raise error


def _complain(error: object, code: int) -> int:
    from agent_app.terminal import stderr

    stderr().line(f"agent-app: {error}")
    return code


if __name__ == "__main__":
    main()
