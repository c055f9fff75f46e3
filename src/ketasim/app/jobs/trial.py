"""The run of a trial: simulated part by part into a run folder, told as it goes.

The folder is that of :func:`ketasim.api.simulate_study`, which does the work: a run that was killed goes on
there, and its numbers are those of ``ketasim run`` with the same seed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass, field

from ketasim.api.studies import simulate_study
from ketasim.app.jobs.faults import ChangedError
from ketasim.app.jobs.question import TrialQuestion
from ketasim.app.jobs.request import TrialRequest
from ketasim.app.jobs.runs import Pace, Reporter
from ketasim.app.jobs.state import JobFolder
from ketasim.app.jobs.tally import Block, Tally
from ketasim.app.jobs.trial_plan import TrialWork, plan_trial
from ketasim.app.jobs.trial_result import About, trial_result
from ketasim.model.parameters import load_parameters
from ketasim.trials.runs.folder import RunFolder, fingerprint, versions
from ketasim.trials.runs.outcomes import Outcomes, joined_frame, read_part

__all__ = ["run_trial"]

#: Seconds that a part takes, roughly, and least and most people of it: enough to be fast, few enough for a
#: lively progress.
_PART_S, _FEWEST, _MOST = 0.8, 200, 2000
_PHASE = "simulating patients"


class _EnoughError(Exception):
    """Ends the simulation: it was stopped, or all trials are there."""


def run_trial(folder: JobFolder, request: TrialRequest, report: Reporter) -> None:
    """Simulate the trials of a request, and write the result.

    Raises
    ------
    KetasimError
        If the trial cannot be simulated.
    """
    work = plan_trial(request)
    hashes, name = folder.read("hashes") or {}, request.name or work.title
    about = About(name, request.seed, request.replicates, work.command, hashes, work.notes)
    run = _Run(folder, work, request, about, report)
    run.go()


@dataclass
class _Run:
    """One trial run in this process."""

    folder: JobFolder
    work: TrialWork
    request: TrialRequest
    about: About
    report: Reporter
    _seen: set[int] = field(default_factory=set)
    _tally: Tally = field(init=False)
    _pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        question = TrialQuestion(self.work.study, self.work.names)
        self._tally = Tally(question, self.request.seed)
        self._pace = Pace(self._total)

    @property
    def _total(self) -> int:
        return self.work.people * self.request.replicates

    @property
    def _chunk(self) -> int:
        """People of a part: whole trials, so that each part can be looked at by itself."""
        begun = self.folder.run / "manifest.json"
        if begun.is_file():
            return int(RunFolder(self.folder.run).begun_with("patients_per_part", self.work.people))
        wished = min(max(_PART_S / self.work.person_s, _FEWEST), _MOST)
        return self.work.people * max(1, min(int(wished) // self.work.people, self.request.replicates))

    def go(self) -> None:
        """Go on from what is finished."""
        if self.folder.run.exists() and not (self.folder.run / "manifest.json").is_file():
            # It was killed before its first file was written.
            shutil.rmtree(self.folder.run)
        self._catch_up()
        if self._tally.trials:
            note = f"Went on at trial {self._tally.trials + 1:,} of {self.request.replicates:,}."
            self.report.send("note", {"text": note})
        self._pace = Pace(self._total, self._tally.people)
        self._tell()
        stopped = self.report.stop_asked()
        if not stopped and self._tally.trials < self.request.replicates:
            stopped = self._simulate()
        if not self._tally.trials:
            self.report.send("done", {"state": "stopped"})
            return
        self._tell(phase="putting the result together")
        result = trial_result(self._tally, self.about, preliminary=False, stopped=stopped)
        self.folder.write("result", result)
        self.report.send("done", {"state": "stopped" if stopped else "finished"})

    def _simulate(self) -> bool:
        """Simulate what is missing; tells whether it was stopped."""
        self._refuse_change()
        with contextlib.suppress(_EnoughError):
            simulate_study(
                self.work.study,
                subjects=self.work.subjects,
                replicates=self.request.replicates,
                seed=self.request.seed,
                workers=_workers(),
                parameters=self.work.parameters,
                out=self.folder.run,
                resume=True,
                chunk=self._chunk,
                progress=self._watch,
            )
        return self._tally.trials < self.request.replicates

    def _refuse_change(self) -> None:
        """Trials of two models must not be mixed: those on disk keep theirs."""
        if not self.folder.run.exists():
            return
        run, parameters = RunFolder(self.folder.run), self.work.parameters or load_parameters()
        now = {"parameter_hash": fingerprint(parameters), "versions": versions()}
        if any(run.begun_with(name, value) != value for name, value in now.items()):
            raise ChangedError(
                f"The model or its values have changed since this run began; its "
                f"{self._tally.trials:,} trials cannot be gone on with. Begin it again."
            )

    def _watch(self, phase: str, done: int, total: int) -> None:
        """Look at what is finished, tell, and end the simulation when that is enough."""
        if phase != _PHASE:
            return
        self._catch_up()
        self._tell()
        if self.report.stop_asked() or done >= total:
            raise _EnoughError
        if self._pace.partial_due(self._tally.people):
            self._tell_partial()

    def _tell(self, phase: str = _PHASE) -> None:
        found = self._pace.progress(
            self._tally.people,
            unit="people",
            trials_done=self._tally.trials,
            trials=self.request.replicates,
            phase=phase,
        )
        if found is not None:
            self.report.send("progress", found)

    def _tell_partial(self) -> None:
        begun = time.monotonic()
        result = trial_result(self._tally, self.about, preliminary=True)
        self.folder.write("partial", result)
        self.report.send("partial", result)
        self._pace.partial_told(time.monotonic() - begun)

    def _catch_up(self) -> None:
        """Add the parts that were finished since."""
        if not self.folder.run.exists():
            return
        run = RunFolder(self.folder.run)
        # The outcomes of a part are written last.
        for path in run.parts("outcomes"):
            number = int(path.stem.removeprefix("part-"))
            if number in self._seen:
                continue
            others = {kind: run.part(kind, number) for kind in ("patients", "events")}
            tables = {kind: joined_frame([read_part(place)]) for kind, place in others.items()}
            self._tally.add(Block(Outcomes([read_part(path)]), tables["patients"], tables["events"]))
            self._seen.add(number)


def _workers() -> int:
    """Processes that simulate: all cores but one, which is for the page."""
    return max(1, (os.cpu_count() or 1) - 1)
