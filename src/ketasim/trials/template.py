"""A commented study file to start from."""

from __future__ import annotations

import re

from ketasim.errors import StudyError

__all__ = ["new_study_text"]

_IDENTIFIER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")

_TEMPLATE = """\
# A study for Ketasim. 'ketasim check-study FILE' checks it, 'ketasim run FILE' simulates it.
# Every time is text with a unit, counted from the first dose ("24 h", "14 d"), or a study
# day ("day 8"); day 1 is the day of the first dose. Numbers in points need no unit.
schema: 1
id: "@ID@"
title: One infusion of ketamine against midazolam
citation: "@ID@"                   # key of the publication, or your own name for the plan
species: human

population:
  condition: trd                   # healthy, mdd, trd or bipolar_depression
  baseline: {scale: madrs, mean: 32, sd: 6}   # madrs or hamd17, points
  entry: ["madrs >= 20"]           # what patients had to meet; [] for nothing
  covariates:                      # leave out what you do not know
    age: {mean: 45, sd: 12, unit: year}
    female_fraction: 0.5

setting:
  care: outpatient                 # outpatient, inpatient or surgery
  control: midazolam               # saline, midazolam, placebo_spray or none
  blinding: double_blind           # or open_label
  new_antidepressant: false        # true if a new oral drug starts with the first dose
  remission: {scale: madrs, threshold: 10}   # a score at or below this
  # A responder or remitter at 'after' relapses at the first later visit that meets 'rule':
  # a score, or "response lost" (improvement under half of baseline).
  relapse: {after: 24 h, rule: "madrs >= 22", consecutive: 1}

arms:
  - id: ketamine
    n: 20                          # patients
    regimen: 0.5 mg/kg ketamine iv over 40 min   # "84 mg esketamine intranasal, twice weekly x 4 weeks"
    comedication: []               # continued_antidepressant, new_antidepressant, standard_of_care,
                                   # general_anaesthesia
    masked: false                  # true if the patient cannot feel the drug (anaesthesia)
  - id: midazolam
    n: 20
    regimen: 0.045 mg/kg midazolam iv over 40 min
    comedication: []
    masked: false
    # baseline: {mean: 33, sd: 5}  # an arm's own baseline, if it differs

visits:                            # when patients are rated
  - 2 h
  - 24 h
  - 7 d
  - {time: 14 d, quantities: [madrs]}   # only some quantities

endpoints:
  - {quantity: madrs, statistic: change, time: 24 h}
  - {quantity: madrs, statistic: difference, time: 24 h, comparator: midazolam}
  - {quantity: madrs, statistic: response, time: 24 h}

# Published values, one a row; [] for a planned study. An example:
#  - {id: row1, arm: ketamine, quantity: madrs, statistic: change, time: 24 h,
#     value: -15.0, unit: points, spread_kind: se, spread_low: 1.8, n: 20,
#     source_kind: measured, use: check, citation: mytrial2026}
# statistic: mean, change, difference, sd, response, remission, relapse, ratio, direction, binary
# Rates (response, remission, relapse) are fractions with unit probability and need n.
# spread_kind: none, sd, se (in spread_low), ci95, iqr, range (spread_low and spread_high)
# use: calibration, check or heldout.   source_kind: measured or model_output
observations: []

assumed:                           # every value above that no source gives, and why
  - field: population.baseline.mean
    reason: Example value of the template; replace it.
  - field: arms.ketamine.n
    reason: Example value of the template; replace it.

notes: []
"""


def new_study_text(study_id: str) -> str:
    """Write a commented study file, valid as it stands.

    Parameters
    ----------
    study_id : str
        Name of the study: letters, digits, ``_`` and ``-``, starting with a letter or digit.

    Returns
    -------
    str
        YAML text.

    Raises
    ------
    StudyError
        If the name has other characters.
    """
    if not _IDENTIFIER.match(study_id):
        near = re.sub(r"[^A-Za-z0-9_-]+", "_", study_id).strip("_-") or "mytrial2026"
        raise StudyError(
            f"{study_id!r} cannot name a study: use letters, digits, '_' and '-', and start with a letter "
            f"or digit, for example {near!r}."
        )
    return _TEMPLATE.replace("@ID@", study_id)
