"""The program that repeats a long run with the public API."""

from __future__ import annotations

from ketasim.app.jobs.population import population_axis, population_parts
from ketasim.app.jobs.request import PopulationRequest, TrialRequest
from ketasim.app.jobs.trial_plan import plan_trial

__all__ = ["job_python"]

_NOTE = "# For research and teaching, not for treating a person."


def job_python(asked: TrialRequest | PopulationRequest) -> str:
    """Write the program.

    Parameters
    ----------
    asked : TrialRequest or PopulationRequest
        What the run was asked for.

    Returns
    -------
    str
        Python, with nothing in it but the public API. Of a trial it prints the mean and the response of
        each arm at each visit over all trials; of a population, how many of 100 have what.
    """
    return _population(asked) if isinstance(asked, PopulationRequest) else _trial(asked)


def _trial(asked: TrialRequest) -> str:
    work = plan_trial(asked)
    lines = ["from __future__ import annotations", "", "import ketasim as ks", "", _NOTE]
    if asked.study is not None:
        lines.append(f"study = ks.Study.load({asked.study!r})")
    else:
        lines += ['STUDY = """', work.study.dump().rstrip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')]
        lines += ['"""', "study = ks.Study.parse(STUDY)"]
    options = [f"replicates={asked.replicates}", f"seed={asked.seed}"]
    if work.subjects is not None:
        options.append(f"subjects={work.subjects}")
    if work.changed:
        lines.append("parameters = ks.load_parameters().with_texts(")
        lines += [f"    {dict(work.changed)!r}, 'parameters'", ")"]
        options.append("parameters=parameters")
    lines += [
        f"trial = ks.simulate_study(study, {', '.join(options)})",
        "rows = trial.endpoints",
        "by = ['quantity', 'arm', 'time_h']",
        "print(rows.groupby(by)[['mean', 'change_mean', 'response', 'remission']].mean().to_string())",
        "",
    ]
    return "\n".join(lines)


def _population(asked: PopulationRequest) -> str:
    data = asked.scenario.model_dump(mode="json", by_alias=True)
    axis = population_axis(asked.scenario)
    shown = {"knots_h": list(axis.knots_h), "shares": list(axis.shares), "columns": axis.columns}
    return "\n".join(
        [
            "from __future__ import annotations",
            "",
            "import ketasim as ks",
            "",
            _NOTE,
            f"scenario = {data!r}",
            f"axis = {shown!r}",
            "totals, people = {}, 0",
            f"for seed, count in {population_parts(asked)!r}:",
            "    found = ks.simulate_scenario(",
            "        scenario, axis=axis, variables=['madrs'], bands='people', draws=count, people=count, "
            "seed=seed",
            "    )",
            "    hundred = found.to_dict()['per_100']",
            "    people += hundred['people']",
            "    for item in hundred['items']:",
            "        totals[item['id']] = totals.get(item['id'], 0.0) + item['value'] * hundred['people']",
            "print(f'{people} people; of 100:', {name: round(x / people, 3) for name, x in totals.items()})",
            "",
        ]
    )
