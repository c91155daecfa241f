"""The command line's outermost layer: what ends the program, and with which exit code."""

from __future__ import annotations

import os
import sys

OK, FAILED, USAGE, BUDGET, INTERRUPTED = 0, 1, 2, 3, 130


def main() -> None:
    """Run the command line and leave with its exit code.

    0 done · 1 an answer is missing or failed · 2 the call or a setting is wrong · 3 a budget ended
    the run early · 130 interrupted. A bug ends in a traceback, as it should.
    """
    # A lone surrogate or a terminal of another encoding must not end an answer half-way.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    from agent_app.errors import AgentAppError, UserError

    try:
        from agent_app.cli import app

        code = app.main(prog_name="agent-app", standalone_mode=False) or OK
    except UserError as error:
        code = _complain(error, USAGE)
    except AgentAppError as error:
        code = _complain(error, FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
        sys.stderr.write("\ninterrupted\n")
    except BrokenPipeError:
        code = FAILED
    except Exception as error:  # noqa: BLE001 - click's errors share no base; all else goes on its way
        code = _click_code(error)
    sys.exit(_flushed(code))


def _flushed(code: int) -> int:
    """Write what stdout still holds, and return the exit code; another one if that fails."""
    try:
        if hasattr(sys.stdout, "flush"):  # it is None where it was closed before
            sys.stdout.flush()
    except OSError as error:
        # So that Python does not complain of it again when it closes stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == OK and not isinstance(error, BrokenPipeError):  # a reader that has gone knows that
            return _complain(f"cannot write to stdout: {error.strerror}", FAILED)
        return code or FAILED
    return code


def _click_code(error: Exception) -> int:
    """Return the exit code for what click raises; anything else is a bug and goes on its way."""
    import click

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        sys.stderr.write("interrupted\n")  # click has ended the line
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return _complain(error.format_message(), error.exit_code)
    raise error


def _complain(error: object, code: int) -> int:
    from agent_app.terminal import stderr

    stderr().line(f"agent-app: {error}")
    return code


if __name__ == "__main__":
    main()
