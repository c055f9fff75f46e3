"""What a simulated trial comes to, block by block: small tables that partial and final results are made of.

A block is some whole trials. What is kept of it does not depend on how the trials were cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from ketasim.app.jobs.groups import GroupRow, group_sums, single_rows
from ketasim.app.jobs.question import TrialQuestion
from ketasim.app.jobs.staying import staying_times
from ketasim.report.trial.tables import event_words
from ketasim.trials.comparison import compare
from ketasim.trials.endpoints import summarise
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.scoring.scales import SCALES

__all__ = ["TABLES", "Block", "Tally"]

_PERSON = ["replicate", "subject"]
_DROPOUTS = {"lack_of_efficacy": "lack of efficacy", "adverse_event": "adverse event"}
_NOT_SIMULATED = "not simulated"


@dataclass(frozen=True)
class Block:
    """Whole trials as they were recorded.

    Parameters
    ----------
    recorded : Outcomes
        What was seen of patients.
    patients, events : DataFrame
        A row a patient, and a row an event.
    """

    recorded: Outcomes
    patients: pd.DataFrame
    events: pd.DataFrame


@dataclass
class Tally:
    """Adds blocks up.

    Parameters
    ----------
    question : TrialQuestion
        What is asked of the trial.
    seed : int
        Of the run: names the random numbers of conditions of chance.
    """

    question: TrialQuestion
    seed: int
    _parts: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {name: [] for name in TABLES})
    _trials: int = 0
    _people: int = 0
    _single: list[GroupRow] = field(default_factory=list)

    @property
    def trials(self) -> int:
        """Trials that were added."""
        return self._trials

    @property
    def people(self) -> int:
        """People in these trials."""
        return self._people

    def add(self, block: Block) -> None:
        """Add some whole trials."""
        self._people += len(block.patients)
        self._trials += block.patients["replicate"].nunique()
        patients = block.patients.sort_values(_PERSON, kind="stable", ignore_index=True)
        sorted_block = Block(block.recorded, patients, block.events)
        # Trials in which nobody could be simulated have nothing but their failures.
        empty = (patients["status"] == _NOT_SIMULATED).all()
        if self._trials == 1 and not empty:
            parts = (block.recorded, patients, block.events)
            self._single = single_rows(self.question, *parts)
        for name, make in TABLES.items():
            if name in ("flow", "reasons", "failures") or not empty:
                self._parts[name].append(make(self, sorted_block))

    def table(self, name: str) -> pd.DataFrame:
        """Rows of one of :data:`TABLES` of all blocks, by replicate."""
        parts = [part for part in self._parts[name] if len(part)]
        if not parts:
            return pd.DataFrame(columns=["replicate"])
        return pd.concat(parts, ignore_index=True).sort_values("replicate", kind="stable", ignore_index=True)

    @property
    def single(self) -> list[GroupRow]:
        """Differences by group with their intervals, of a run that has one trial so far."""
        return self._single if self._trials == 1 else []

    @cached_property
    def drop_out_words(self) -> Mapping[str, str]:
        """What people who left by themselves left for, by the id in the study file."""
        return {item.id: _DROPOUTS.get(item.kind, "dropped out") for item in self.question.study.dropout}


def _endpoints(tally: Tally, block: Block) -> pd.DataFrame:
    """Means, changes and rates of the rated scales."""
    found = summarise(block.recorded, tally.question.study)
    return found[found["quantity"].isin(list(SCALES))]


def _analyses(tally: Tally, block: Block) -> pd.DataFrame:
    study = tally.question.analysed
    return analyse(block.recorded, block.patients, block.events, study, seed=tally.seed)


def _published(tally: Tally, block: Block) -> pd.DataFrame:
    return compare(block.recorded, tally.question.study)


def _harms(_: Tally, block: Block) -> pd.DataFrame:
    """People of each arm with an adverse event: columns ``replicate, arm, harm, persons``."""
    hit = block.events[block.events["kind"] == "adverse_event"]
    hit = hit[[*_PERSON, "detail"]].drop_duplicates()
    # The arm of the person counts: an event may carry the treatment he was switched to.
    joined = hit.merge(block.patients[[*_PERSON, "arm"]], on=_PERSON, how="inner", validate="many_to_one")
    counted = joined.groupby(["replicate", "arm", "detail"], observed=True).size().reset_index(name="persons")
    return counted.rename(columns={"detail": "harm"})


def _flow(_: Tally, block: Block) -> pd.DataFrame:
    """Columns ``replicate, arm, randomised, completed, not_simulated``."""
    people = block.patients
    marked = people[["replicate", "arm"]].assign(
        randomised=1,
        completed=(people["status"] == "completed").astype(int),
        not_simulated=(people["status"] == _NOT_SIMULATED).astype(int),
    )
    return marked.groupby(["replicate", "arm"], observed=True).sum().reset_index()


def _reasons(tally: Tally, block: Block) -> pd.DataFrame:
    """Why people left: columns ``replicate, arm, reason, n``."""
    people = block.patients
    left = people[~people["status"].isin(["completed", _NOT_SIMULATED])]
    words = [tally.drop_out_words.get(text, event_words(text)) for text in left["left_reason"].astype(str)]
    named = left[["replicate", "arm"]].assign(reason=words)
    return named.groupby(["replicate", "arm", "reason"], observed=True).size().reset_index(name="n")


def _failures(_: Tally, block: Block) -> pd.DataFrame:
    """People who could not be simulated: columns ``replicate, subject, reason``."""
    lost = block.patients[block.patients["status"] == _NOT_SIMULATED]
    return lost[[*_PERSON, "left_reason"]].rename(columns={"left_reason": "reason"})


def _staying(tally: Tally, block: Block) -> pd.DataFrame:
    return staying_times(tally.question, block.recorded, block.patients, block.events)


def _groups(tally: Tally, block: Block) -> pd.DataFrame:
    return group_sums(tally.question, block.recorded, block.patients)


#: Tables that are kept of each block, and how each is made.
TABLES: Mapping[str, Callable[[Tally, Block], pd.DataFrame]] = {
    "endpoints": _endpoints,
    "analyses": _analyses,
    "published": _published,
    "harms": _harms,
    "flow": _flow,
    "reasons": _reasons,
    "failures": _failures,
    "staying": _staying,
    "groups": _groups,
}
