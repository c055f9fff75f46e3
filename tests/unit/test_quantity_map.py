"""The map from published quantities to outputs, and the experiments of the mechanism rows."""

from __future__ import annotations

import csv
from importlib import resources

import pytest

from ketasim.errors import EvidenceError
from ketasim.evidence import load_observations, load_parameters, load_publications
from ketasim.evidence.quantity_map import STATUSES, load_not_expressible, load_quantity_map
from ketasim.model.chain import build_chain
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.works import load_work


@pytest.fixture(scope="module")
def experiments():
    """The works that can hold rows of this domain; the others need not be read."""
    folder = resources.files("ketasim.experiments")
    names = [path.name for path in folder.iterdir() if path.name.endswith(".yaml")]
    texts = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    return [
        load_work(name.removesuffix(".yaml"))
        for name, text in sorted(texts.items())
        if "domain: mechanism" in text
    ]


def _table(package, *path):
    text = resources.files(package).joinpath(*path).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_quantity_that_was_seen_is_in_the_map_once():
    rows = load_observations()
    seen = set(zip(rows["domain"], rows["quantity"], strict=True))
    frame = load_quantity_map()
    mapped = list(zip(frame["domain"], frame["quantity"], strict=True))
    assert set(mapped) == seen
    assert len(mapped) == len(set(mapped))


def test_outputs_exist_and_what_is_not_modelled_has_a_reason():
    harms = {row["harm"] for row in _table("ketasim.trials.harms", "harms.csv")}
    known = set(build_chain().quantities) | set(SCALES) | harms
    for row in load_quantity_map().itertuples():
        assert row.status in STATUSES
        if row.status == "modelled":
            assert row.output, row.quantity
            assert row.statistic, row.quantity
            assert not set(row.output.split(";")) - known, row
        else:
            assert not row.output, row.quantity
            assert row.reason, row.quantity


def test_a_quantity_is_modelled_if_one_of_its_rows_is_an_observation(experiments):
    told = {observation.id for work in experiments for observation in work.observations}
    status = load_quantity_map("mechanism").set_index("quantity")["status"]
    for row in load_observations("mechanism").itertuples():
        if row.id in told:
            assert status[row.quantity] == "modelled", row.id


def test_every_seen_mechanism_row_is_an_observation_or_is_listed_with_a_reason(experiments):
    told = {observation.id.split("-")[0] for work in experiments for observation in work.observations}
    listed = load_not_expressible().set_index("id")["reason"]
    assert listed.index.is_unique
    for row in load_observations("mechanism")["id"]:
        assert (row in told) != (row in listed.index), row
        assert row in told or listed[row].endswith("."), row


def test_listed_rows_are_rows_of_the_evidence():
    known = set(load_observations()["id"]) | set(load_parameters()["id"])
    assert set(load_not_expressible()["id"]) <= known


def test_an_unknown_domain_is_refused_with_the_nearest_name():
    with pytest.raises(EvidenceError, match="mechanism"):
        load_quantity_map("mechanisms")


def test_mechanism_files_are_many_and_their_citations_exist(experiments):
    assert len(experiments) >= 60
    assert {work.citation for work in experiments} <= set(load_publications()["key"])


def test_rows_keep_the_number_of_the_evidence_or_say_how_it_was_turned(experiments):
    rows = load_observations("mechanism").set_index("id")
    for work in experiments:
        told = [assumption.field for assumption in work.assumed]
        for observation in work.observations:
            if observation.id not in rows.index:
                assert observation.id.startswith((work.id, "M")), observation.id
                continue
            row = rows.loc[observation.id]
            assert row["citation"] == observation.citation
            if observation.value != pytest.approx(row["value"], rel=1e-9):
                explained = f"observations.{observation.id}.value" in told
                assert explained or any(observation.id in note for note in work.notes), observation.id


def test_intervention_tests_name_observations_that_exist(experiments):
    works = {work.id: work for work in experiments}
    for row in _table("ketasim.validation", "intervention_tests.csv"):
        work = works[row["file"]]
        held = {observation.id: observation for observation in work.observations}
        assert row["observation"] in held, row
        assert held[row["observation"]].citation == row["citation"], row
        assert held[row["observation"]].value == pytest.approx(float(row["outcome"])), row
