"""The command line: thin doors into the house. No framework and nothing slow is loaded before a command asks for it."""

from __future__ import annotations

import os
import signal
import sys

import typer

from parity.cli.artifacts import add as add_artifacts
from parity.cli.calibrate import add as add_calibrate
from parity.cli.faults import add as add_faults
from parity.cli.fetch import add as add_fetch
from parity.cli.legacy import add as add_legacy
from parity.cli.listings import add as add_listings
from parity.cli.replay import add as add_replay
from parity.cli.runs import add as add_runs
from parity.cli.traces import add as add_traces
from parity.errors import ParityError

app = typer.Typer(
    name="parity",
    help="Convert transformer checkpoints and prove that every runtime computes the same thing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for add in (
    add_artifacts,
    add_legacy,
    add_traces,
    add_runs,
    add_calibrate,
    add_faults,
    add_replay,
    add_listings,
    add_fetch,
):
    add(app)


def main() -> None:
    """Entry point: a user's mistake is one message and an exit code, never a traceback."""
    # Ended politely, a command tidies up as after an interrupt: nothing half-made is left.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except ParityError as error:
        sys.stderr.write(f"parity: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("parity: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone: keep the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (OSError, MemoryError) as error:
        sys.stderr.write(f"parity: {_reason(error)}\n")
        sys.exit(ParityError.exit_code)


def _reason(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory; close other programs, or use a machine with more"
    return str(
        ParityError(error.strerror or str(error), where=error.filename, remedy="check path, rights and free space")
    )
