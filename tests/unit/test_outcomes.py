"""Outcomes of a run, wherever they are and however they were cut: one table of persons by visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ketasim.api.studies
import ketasim.api.trial_result
from ketasim.api import simulate_study
from ketasim.errors import StudyError
from ketasim.trials import Study, analyse
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs import outcomes
from ketasim.trials.runs.columns import OUTCOMES
from ketasim.trials.runs.folder import Format, RunFolder
from ketasim.trials.runs.outcomes import Outcomes

QUERY = Path(__file__).parents[2] / "examples" / "duckdb_query.sql"
TIMES = (0.0, 24.0, 168.0)
PERSONS = 60
KINDS = (("madrs", "score"), ("cadss", "value"), ("cadss", "peak"))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two replicates of sixty persons, of whom some switch arms, and some miss a visit."""
    draw = np.random.default_rng(4)
    rows = []
    for replicate in (0, 1):
        for subject in range(1, PERSONS + 1):
            arm = ("drug", "control")[subject % 2]
            for place, time in enumerate(TIMES):
                now = "open" if subject % 5 == 0 and place == 2 else arm
                for quantity, statistic in KINDS:
                    gone = place > 0 and subject % 7 == 0
                    value = np.nan if gone else 10.0 * draw.random() + 20.0 - 6.0 * place
                    who = ("small", replicate, arm, now, subject)
                    what = (quantity, statistic, time, "points", value, "missed visit" if gone else "")
                    rows.append((*who, *what))
    return pd.DataFrame(rows, columns=list(OUTCOMES))


def arrow(frame: pd.DataFrame, *, coded: bool = False) -> pa.Table:
    """A table, its words spelt out or coded by a list of its own as the parts of a run are."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if coded:
        for place, field in enumerate(table.schema):
            if pa.types.is_large_string(field.type) or pa.types.is_string(field.type):
                words = table[place].cast(pa.string()).combine_chunks()
                table = table.set_column(place, field.name, words.dictionary_encode())
    return table


def by_person(frame: pd.DataFrame, size: int) -> list[pd.DataFrame]:
    """Parts of so many persons, the last first."""
    place = frame["replicate"] * PERSONS + frame["subject"] - 1
    return [part for _, part in frame.groupby(place // size)][::-1]


def patients() -> pd.DataFrame:
    place = np.arange(2 * PERSONS)
    who = {"replicate": place // PERSONS, "subject": place % PERSONS + 1}
    return pd.DataFrame({**who, "female": place % 3 % 2})


def written(path: Path, frame: pd.DataFrame, size: int, table_format: Format) -> RunFolder:
    folder = RunFolder.create(path, table_format=table_format)
    people = patients()
    for number, part in enumerate(by_person(frame, size)):
        own = people.merge(part[["replicate", "subject"]].drop_duplicates())
        events = pd.DataFrame({"subject": pd.Series([], dtype="int64")})
        folder.write_part(number, Tables(arrow(part, coded=True), arrow(own), arrow(events)))
    return folder


def require_equal(found: outcomes.Matrix, expected: outcomes.Matrix) -> None:
    for name in ("replicate", "subject", "arm", "times_h", "values", "treatment"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


@pytest.mark.parametrize(("quantity", "statistic"), KINDS)
def test_a_matrix_holds_every_value_at_its_place(frame: pd.DataFrame, quantity: str, statistic: str) -> None:
    matrix = Outcomes([arrow(frame)]).matrix(quantity, statistic)
    rows = frame[(frame["quantity"] == quantity) & (frame["statistic"] == statistic)]
    wide = rows.pivot_table(index=["replicate", "subject"], columns="time_h", values="value", dropna=False)
    np.testing.assert_array_equal(matrix.values, wide.to_numpy())
    np.testing.assert_array_equal(matrix.times_h, TIMES)
    assert list(zip(matrix.replicate, matrix.subject, strict=True)) == list(wide.index)
    one = rows[rows["time_h"] == 168.0].sort_values(["replicate", "subject"])
    assert matrix.arm.tolist() == one["arm"].tolist()
    assert matrix.treatment[:, 2].tolist() == one["treatment"].tolist()
    assert matrix.treatment[:, 0].tolist() == one["arm"].tolist()


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("size", [1, 7, 61, 200])
def test_a_matrix_does_not_depend_on_how_the_run_was_cut(frame: pd.DataFrame, size: int, coded: bool) -> None:
    whole = Outcomes([arrow(frame)]).matrix("madrs")
    parts = [part.sample(frac=1.0, random_state=size) for part in by_person(frame, size)]
    require_equal(Outcomes([arrow(part, coded=coded) for part in parts]).matrix("madrs"), whole)


def test_csv_and_parquet_give_the_same_bits(frame: pd.DataFrame, tmp_path: Path) -> None:
    parquet = written(tmp_path / "parquet", frame, 7, "parquet").outcomes()
    csv = written(tmp_path / "csv", frame, 11, "csv").outcomes()
    memory = Outcomes.of_frame(frame)
    assert parquet.kinds() == csv.kinds() == memory.kinds()
    assert parquet.units() == csv.units() == {"madrs": "points", "cadss": "points"}
    for quantity, statistic in memory.kinds():
        require_equal(csv.matrix(quantity, statistic), memory.matrix(quantity, statistic))
        require_equal(parquet.matrix(quantity, statistic), memory.matrix(quantity, statistic))
    order = ["replicate", "subject", "quantity", "statistic", "time_h"]
    for found in (parquet, csv):
        pd.testing.assert_frame_equal(
            found.frame().sort_values(order, ignore_index=True),
            frame.sort_values(order, ignore_index=True),
            check_exact=True,
        )


def test_values_after_entering_an_arm(frame: pd.DataFrame) -> None:
    matrix = Outcomes.of_frame(frame).matrix("madrs")
    since = matrix.since(["open"], 144.0)
    there = matrix.subject % 5 == 0
    assert since.arm.tolist() == np.where(there, "open", "").tolist()
    # Entered at 24 h, the visit before the first at which it was in force.
    np.testing.assert_array_equal(since.start, np.where(there, matrix.values[:, 1], np.nan))
    np.testing.assert_array_equal(since.values, np.where(there, matrix.values[:, 2], np.nan))
    assert np.isnan(matrix.since(["open"], 100.0).values).all()
    assert set(matrix.since(["nowhere"], 24.0).arm) == {""}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.iloc[1:],
        lambda rows: pd.concat([rows, rows.iloc[-3:]]),
        lambda rows: rows.assign(subject=rows["subject"].replace(3, 2)),
        lambda rows: rows.assign(time_h=rows["time_h"].where(rows["subject"] < 40, rows["time_h"] + 1.0)),
    ],
)
@pytest.mark.parametrize("size", [7, 200])
def test_persons_with_other_visits_than_the_rest_are_refused(
    frame: pd.DataFrame, spoil: Callable[[pd.DataFrame], pd.DataFrame], size: int
) -> None:
    rows = spoil(frame[frame["quantity"] == "madrs"])
    parts = [arrow(part) for part in by_person(rows, size)]
    with pytest.raises(StudyError, match="some patients have not all visits, or some twice"):
        Outcomes(parts).matrix("madrs")


def test_what_was_not_recorded_is_told_with_the_nearest_name(frame: pd.DataFrame) -> None:
    recorded = Outcomes.of_frame(frame)
    with pytest.raises(StudyError, match=r"unknown quantity 'madr'; the nearest .* 'madrs'\. It was not rec"):
        recorded.matrix("madr")
    with pytest.raises(StudyError, match="cadss: unknown statistic 'score'; valid names are peak, value"):
        recorded.matrix("cadss", "score")


def test_parts_are_read_one_at_a_time(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a matrix is laid out, no more than a part and what is wanted of it is in Arrow's memory."""
    many = pd.concat([frame.assign(replicate=frame["replicate"] + 2 * copy) for copy in range(100)])
    paths = [tmp_path / f"part-{number:05d}.parquet" for number in range(12)]
    part = arrow(many, coded=True)
    for number, path in enumerate(paths):
        replicate = pa.array(many["replicate"].to_numpy() + 200 * number)
        pq.write_table(part.set_column(1, "replicate", replicate), path)
    held: list[int] = []

    def watched(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
        held.append(pa.total_allocated_bytes())
        return pq.read_table(path, columns=list(columns or ()), use_threads=False)

    monkeypatch.setattr(outcomes, "read_part", watched)
    matrix = Outcomes(paths).matrix("madrs")
    assert len(matrix.subject) == 12 * 200 * PERSONS
    # A reader that kept what it read would hold eleven parts at the last one.
    assert max(held) - held[0] < 3 * part.nbytes


@pytest.fixture(scope="module")
def shown(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the example query gives."""
    path = tmp_path_factory.mktemp("example") / "run"
    written(path, frame, 7, "parquet")
    text = QUERY.read_text(encoding="utf-8").replace("'RUN/", f"'{path.as_posix()}/")
    with duckdb.connect() as connection:
        result = connection.execute(text)
        names = [item[0] for item in result.description]
        return pd.DataFrame(result.fetchall(), columns=names)


def test_the_example_query_agrees_with_pandas(frame: pd.DataFrame, shown: pd.DataFrame) -> None:
    scores = frame[frame["quantity"] == "madrs"]
    entry = scores[scores["time_h"] == 0.0].set_index(["replicate", "subject"])["value"].rename("at_entry")
    rows = scores[scores["time_h"] > 0.0].join(entry, on=["replicate", "subject"])
    rows = rows.merge(patients())
    rows = rows.assign(
        sex=np.where(rows["female"] > 0.5, "female", "male"),
        day=(rows["time_h"] / 24.0).round(2),
        change=rows["value"] - rows["at_entry"],
        response=(rows["value"] <= 0.5 * rows["at_entry"]).astype(float),
    )
    groups = rows.groupby(["arm", "sex", "day"])
    expected = groups.agg(
        patients=("subject", "size"),
        rated=("value", "count"),
        mean_change=("change", "mean"),
        sd_change=("change", "std"),
        responders=("response", "mean"),
    ).reset_index()
    assert len(shown) == 8
    assert 0.0 < shown["responders"].mean() < 1.0
    # Sums are made in another order.
    pd.testing.assert_frame_equal(shown, expected, check_exact=False, rtol=1e-12, check_dtype=False)


def test_a_large_run_keeps_scores_and_has_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.load("murrough2013")
    asked = {"subjects": 6, "days": "1d", "seed": 2, "workers": 1}
    small = simulate_study(study, **asked)
    for place in (ketasim.api.studies, ketasim.api.trial_result):
        monkeypatch.setattr(place, "LARGE", 10)
    large = simulate_study(study, out=tmp_path / "run", chunk=5, **asked)
    assert large.is_large
    kinds = set(large.recorded.kinds())
    assert kinds == {("madrs", "score"), ("severity", "value"), ("belief", "value"), ("placebo", "value")}
    assert kinds < set(small.recorded.kinds())
    for name in ("endpoints.csv", "comparison.csv"):
        assert (tmp_path / "run" / name).stat().st_size > 0
    assert not (tmp_path / "run" / "report.html").exists()
    with pytest.raises(StudyError, match=r"report: 12 patients are too many: .* at most 10"):
        large.report(tmp_path / "report.html")
    # The patients are the same. Their solver puts out less, but its steps do not depend on that: equal but
    # for what another order of sums might do.
    np.testing.assert_allclose(
        large.recorded.matrix("madrs").values, small.recorded.matrix("madrs").values, rtol=1e-12
    )
    pd.testing.assert_frame_equal(
        large.patients.drop(columns="belief"), small.patients.drop(columns="belief"), check_exact=True
    )


def test_text_of_many_rows_is_held_as_categories_and_changes_no_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.load("murrough2013")
    result = simulate_study(study, out=tmp_path / "run", subjects=8, days="1d", workers=1, chunk=5)
    monkeypatch.setattr(outcomes, "_MANY", 5)
    folder = RunFolder(tmp_path / "run")
    patients, events = folder.table("patients"), folder.table("events")
    assert isinstance(patients["arm"].dtype, pd.CategoricalDtype)
    found = analyse(folder.outcomes(), patients, events, study)
    pd.testing.assert_frame_equal(found, result.analyses, check_exact=True)
