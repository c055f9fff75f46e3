"""Each disputed path acts where its option or cause says, and nowhere by default."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ketasim.engine.schedule import InputPath
from ketasim.errors import ModelError
from ketasim.model.hypotheses import WIRINGS, wired
from ketasim.model.parameters import load_parameters
from ketasim.validation.bench import NO_DRUG, SINGLE, Bench

SHIPPED = load_parameters()
DAY = 24.0


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(SHIPPED)


def with_options(**choices: str) -> Bench:
    return Bench(SHIPPED.with_options(choices))


def effect(bench: Bench, hours: float = DAY, **inputs: float) -> float:
    """Effect of one infusion, with something given beside it from the start."""
    given: Mapping[str, InputPath] = {name: InputPath((0.0,), (value,)) for name, value in inputs.items()}
    return bench.effect_against_none(hours, inputs=given)


@pytest.mark.parametrize(
    ("option", "choice", "name", "hours", "more"),
    [
        ("hnk_efficacy", "direct", "fast_arm", 12.0, True),
        ("dissociation_on_path", "on", "fast_arm", 2.0, True),
        ("habenula_path", "off", "fast_arm", 2.0, False),
        ("trkb_binding", "direct", "trkb", 0.7, True),
        ("mrs_sensitivity", "milak2016", "mrs_glx", 0.5, True),
        ("anti_inflammatory", "small", "tnf", 1.0, True),
        ("anti_inflammatory", "none", "tnf", 1.0, True),
    ],
)
def test_an_option_moves_what_it_is_about(
    bench: Bench, option: str, choice: str, name: str, hours: float, more: bool
) -> None:
    usual, other = bench.run(days=2.0), with_options(**{option: choice}).run(days=2.0)
    change = bench.rise(other, name, hours) - bench.rise(usual, name, hours)
    # Ten times the accuracy of the solver, in units of health.
    assert abs(change) > 1e-4
    assert (change > 0.0) == more


def test_opioid_permission_makes_naltrexone_count(bench: Bench) -> None:
    off = with_options(opioid_permission="off")
    assert effect(off, opioid_antagonist=0.9) == pytest.approx(effect(off), rel=1e-3)
    # Effects are falls of severity: what is nearer to nothing is less.
    assert effect(bench, opioid_antagonist=0.9) > 0.75 * effect(bench)


def test_a_conventional_drug_takes_the_chosen_route() -> None:
    given = {"antidepressant": InputPath((0.0,), (1.0,))}
    for choice, moved, still in (("stress_axis", "stress", None), ("trkb", "bdnf", None)):
        run = with_options(antidepressant_route=choice).run(NO_DRUG, 43.0, inputs=given)
        change = abs(run.quantities[moved][-1] / run.quantities[moved][0] - 1.0)
        assert change > 0.01, (choice, still)


def test_heterozygous_animals_keep_more_where_genes_make_up() -> None:
    loss = {"bdnf_loss": InputPath((0.0,), (0.5,))}
    left = {
        choice: with_options(bdnf_dependence=choice).run(days=2.0, inputs=loss).quantities["bdnf"].min()
        for choice in ("compensated", "proportional")
    }
    assert left["proportional"] < left["compensated"]


def test_networks_at_rest_follow_the_chosen_baseline() -> None:
    rests = {
        choice: with_options(network_baseline=choice).run(days=1.0).quantities["dmn_connectivity"][0]
        for choice in ("whole_brain", "none", "lower")
    }
    assert rests["whole_brain"] > 1.2 > rests["none"] > rests["lower"]
    assert rests["none"] == pytest.approx(1.0, abs=0.1)
    assert rests["lower"] < 0.95


@pytest.mark.parametrize(
    ("cause", "amount", "name", "hours", "less"),
    [
        ("glun2b_loss_interneurons", 1.0, "pyramidal_rate", 0.7, True),
        ("ampa_antagonist", 0.9, "ampa_drive", 0.7, True),
        ("translation_inhibition", 0.9, "synaptic_protein", 12.0, True),
        ("eef2k_inhibition", 0.9, "eef2", 2.0, True),
        ("spine_erasure", 0.5, "spines_nascent", 24.0, True),
        ("mtor_inhibition_brain", 0.9, "mtorc1", 1.0, True),
        ("metabolism_block", 0.9, "s_hnk_venous", 2.0, True),
        ("habenula_local_block", 0.8, "lhb_bursts", 0.5, True),
        ("nmda_modulator", 1.0, "plasticity_drive", 0.7, False),
    ],
)
def test_a_cause_acts_on_its_stage(
    bench: Bench, cause: str, amount: float, name: str, hours: float, less: bool
) -> None:
    usual = bench.at(bench.run(days=2.0), name, hours)
    changed = bench.at(bench.run(days=2.0, inputs={cause: InputPath((0.0,), (amount,))}), name, hours)
    assert (changed < usual) == less
    assert changed != pytest.approx(usual, rel=1e-3)


def test_sirolimus_acts_through_the_exposure_of_the_brain(bench: Bench) -> None:
    """None leaves the effect of a day within 15 %, full cuts new spines by 90 %, and between is between."""
    usual = bench.run(days=8.0)

    def gain(share: float) -> float:
        """What the infusion adds to nascent spines under an inhibitor."""
        given = {"mtor_inhibition_brain": InputPath((0.0, 48.0), (share, 0.0))}
        drug, none = (bench.run(text, 8.0, inputs=given) for text in (SINGLE, NO_DRUG))
        return bench.at(drug, "spines_nascent", 48.0) - bench.at(none, "spines_nascent", 48.0)

    new = bench.rise(usual, "spines_nascent", 48.0)
    assert effect(bench, mtor_inhibition_brain=0.0) == pytest.approx(bench.effect(usual, DAY), rel=0.15)
    gains = [gain(share) / new for share in (0.0, 0.2, 0.5, 1.0)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] <= 0.10


def test_animals_are_the_human_tables_with_rows_in_place() -> None:
    for species in ("rat", "mouse"):
        own = load_parameters(species)
        assert list(own) == list(SHIPPED)
        changed = {name for name in own if own[name].value != SHIPPED[name].value}
        assert {"weight", "species_exposure"} <= changed
        assert len(changed) < 10
    with pytest.raises(ModelError, match="species 'cat'"):
        load_parameters("cat")


def test_an_intraperitoneal_dose_reaches_the_blood_of_a_rat() -> None:
    rat = Bench(load_parameters("rat"))
    run = rat.run("10 mg/kg ketamine ip", 1.0, well=True)
    time, top = rat.peak(run, "ketamine_venous")
    assert 0.02 < time < 0.5
    assert top > 100.0
    # Small animals eliminate within the hour: allometry alone.
    assert rat.at(run, "ketamine_venous", 6.0) < 0.05 * top


def test_wirings_keep_and_cut_what_they_say() -> None:
    assert next(iter(WIRINGS)) == "default"
    for name, wiring in WIRINGS.items():
        own = wired(SHIPPED, name)
        for parameter, value in wiring.fixed.items():
            assert own[parameter].value == value, (name, parameter)
    with pytest.raises(ModelError, match=r"wiring 'habenul'; .* 'habenula'"):
        wired(SHIPPED, "habenul")


def test_the_fast_arm_falls_to_a_floor_without_drive_however_fast_it_is() -> None:
    # At the upper ends of both ranges; without the floor it would fall for ever.
    values = {"fast_arm_rate": SHIPPED["fast_arm_rate"].high, "fast_arm_time": SHIPPED["fast_arm_time"].high}
    fast = Bench(SHIPPED.with_values(values))
    run = fast.run(NO_DRUG, days=40.0, inputs={"ampa_antagonist": InputPath((0.0,), (1.0,))})
    product, ceiling = values["fast_arm_rate"] * values["fast_arm_time"], SHIPPED["fast_arm_ceiling"].value
    share = product / (1.0 + product * ceiling)
    floor = (1.0 - share * ceiling) / (1.0 - share)
    assert floor > 0.0
    assert Bench.at(run, "fast_arm", 40.0 * DAY) == pytest.approx(floor, rel=1e-3)


def test_a_patient_rests_whatever_the_capacity_for_evoked_spines() -> None:
    # What a lack of proteins takes away is never more than what forms: at the upper end too there is a rest.
    strong = Bench(SHIPPED.with_values({"evoked_gain": SHIPPED["evoked_gain"].high}))
    run = strong.run(NO_DRUG, days=20.0)
    assert Bench.at(run, "severity", 20.0 * DAY) == pytest.approx(Bench.rest(run, "severity"), abs=1e-3)
    assert Bench.rest(run, "spines_mature") > 0.3
