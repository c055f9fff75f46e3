"""The commands joined, and one place where errors become exit codes.

Nothing here or at the top of a command's file may import the model: it takes
seconds to load, and ``ketasim --help`` must not wait for it.
"""

from __future__ import annotations

import gc
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ketasim.cli.analyse import analyse
from ketasim.cli.app import app as explorer
from ketasim.cli.app_tables import app_tables
from ketasim.cli.brain import brain
from ketasim.cli.calibrate import calibrate_model
from ketasim.cli.check import check
from ketasim.cli.circuit import circuit
from ketasim.cli.claims import claims
from ketasim.cli.console import INTERRUPTED, REFUSED, complain, describe
from ketasim.cli.emergent import emergent
from ketasim.cli.explain import explain
from ketasim.cli.export import export
from ketasim.cli.fit import fit
from ketasim.cli.hypotheses import hypotheses
from ketasim.cli.listing import list_items
from ketasim.cli.patterns import patterns
from ketasim.cli.pk import pk
from ketasim.cli.pk_scores import pk_scores
from ketasim.cli.population import population
from ketasim.cli.power import power
from ketasim.cli.run import run
from ketasim.cli.simulate import RegimenCommand, simulate
from ketasim.cli.studies import check_study_file, new_study, schema
from ketasim.cli.system import show_version, system_info
from ketasim.cli.validate import validate
from ketasim.errors import KetasimError

__all__ = ["app", "main"]

_OBJECTS_BETWEEN_COLLECTIONS = 50_000


class GuardedGroup(TyperGroup):
    """Turns what a user can cause into one paragraph and an exit code.

    Any other exception is a fault of Ketasim and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command; see the class."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has gone, as in `ketasim list parameters | head`; typer ends the program quietly.
            raise
        except (KetasimError, OSError, MemoryError) as error:
            complain(describe(error))
            raise typer.Exit(REFUSED) from error
        except KeyboardInterrupt as error:
            complain("stopped by Ctrl-C; nothing was written.")
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=GuardedGroup,
    name="ketasim",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How ketamine treats depression, computed from a dose to a mood and laid beside published trials. "
    "A research and teaching instrument, not for treating a person.",
)


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Hold the options that belong to no command."""


app.command("run", epilog="Example: ketasim run daly2018 --subjects 20 --out runs/daly")(run)
app.command(
    "simulate",
    cls=RegimenCommand,
    epilog='Example: ketasim simulate "0.5 mg/kg ketamine iv over 40 min" --at 40min,24h,7d',
)(simulate)
app.command(
    "pk",
    cls=RegimenCommand,
    epilog='Example: ketasim pk "84 mg esketamine intranasal" --with rifampicin --figure pk.svg',
)(pk)
app.command("pk-scores", epilog="Example: ketasim pk-scores --json")(pk_scores)
app.command("list", epilog="Example: ketasim list parameters --json")(list_items)
app.command("emergent", epilog="Example: ketasim emergent --only onset")(emergent)
app.command("validate", epilog="Example: ketasim validate --only clinical --html scoreboard.html")(validate)
app.command("app", epilog="Example: ketasim app --port 8765")(explorer)
app.command("app-tables", epilog="Example: ketasim app-tables --scoreboard scores.json --out data")(
    app_tables
)
app.command("claims", epilog="Example: ketasim claims nmda --out figures")(claims)
app.command(
    "fit",
    epilog="Example: ketasim fit examples/fit_demo.csv --parameters clearance --random clearance "
    "--observe 1=ketamine_venous --observe 2=none",
)(fit)
app.command("patterns", epilog="Example: ketasim patterns relapse --out figures")(patterns)
app.command("explain", epilog="Example: ketasim explain daly2018 --clamp ampa_drive")(explain)
app.command("hypotheses", epilog="Example: ketasim hypotheses disinhibition trkb --out rivals")(hypotheses)
app.command("calibrate", epilog="Example: ketasim calibrate biology --workers 2")(calibrate_model)
app.add_typer(export, name="export")
app.command(
    "population",
    cls=RegimenCommand,
    epilog='Example: ketasim population "0.5 mg/kg ketamine iv over 40 min" --patients 10000 --out pop',
)(population)
app.command(
    "check",
    cls=RegimenCommand,
    epilog='Example: ketasim check "56 mg esketamine intranasal, twice weekly x 4 weeks" --age 44',
)(check)
app.command("power", epilog="Example: ketasim power murrough2013 --n 50:400 --replicates 200")(power)
app.command("analyse", epilog="Example: ketasim analyse runs/daly --study changed.yaml")(analyse)
app.command("new-study", epilog="Example: ketasim new-study mytrial --out mytrial.yaml")(new_study)
app.command("check-study", epilog="Example: ketasim check-study mytrial.yaml")(check_study_file)
app.add_typer(brain, name="brain")
app.add_typer(circuit, name="circuit")
app.command("schema", epilog="Example: ketasim schema > study.schema.json")(schema)
app.command("system-info", epilog="Example: ketasim system-info --json")(system_info)


def main() -> None:
    """Run the command line and leave with its exit code.

    The code is 0, or 2 for input that cannot be used, or 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # A study's title may hold a letter that an old console cannot show.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # While libraries load, what they make stays: looking through it for garbage takes a tenth of a start.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Set even where a shell script starts its background jobs deaf to this signal: a run ends in order.
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _interrupt_once(_number: int, _frame: FrameType | None) -> None:
    """Answer the first Ctrl-C at once, and no other.

    Worker processes are ended here: they may be at a part that takes a minute, and finished parts are on
    disk already. A second Ctrl-C must not break off the tidying that the first has set going.
    """
    # Only what was loaded can have started a process.
    if "multiprocessing" in sys.modules:
        import multiprocessing

        if multiprocessing.parent_process() is not None:
            # A worker that inherited this handler: its parent ends it.
            return
        for worker in multiprocessing.active_children():
            worker.terminate()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
