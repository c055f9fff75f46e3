"""Which studies inform a fit and which check it: by a seeded rule, blind to results."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
import yaml

from ketasim.evidence.readings import load_readings
from ketasim.validation.split import (
    Work,
    assign,
    citations_that_set,
    load_families,
    load_split,
    marked,
    shipped_works_of,
)


@pytest.fixture(scope="module")
def works() -> list[Work]:
    return shipped_works_of()


def made(count: int, domain: str = "pk") -> list[Work]:
    return [Work(f"w{place}", domain, frozenset({f"nobody{place}"})) for place in range(count)]


def test_a_third_is_kept_whatever_the_order() -> None:
    found = assign(made(30))
    assert Counter(item.use for item in found.values()) == {"calibration": 20, "check": 10}
    assert assign(list(reversed(made(30)))) == found


def test_lots_do_not_depend_on_other_domains() -> None:
    both = assign([*made(9), Work("x", "safety", frozenset({"y"}))])
    del both["x"]
    assert both == assign(made(9))


def test_who_set_a_number_is_never_a_check(works: list[Work]) -> None:
    found = assign(works)
    setters = citations_that_set()
    assert {"murrough2013", "esterlis2018"} <= setters
    for work in works:
        if work.citations & setters:
            assert found[work.name].use == "calibration", work.name


def test_studies_with_the_same_patients_stay_together(works: list[Work]) -> None:
    found, uses = assign(works), {}
    for name, (family, kind) in load_families().items():
        assert name in found, name
        if kind == "pool":
            assert found[name].use == "calibration", name
        else:
            assert uses.setdefault(family, found[name].use) == found[name].use, name


def test_files_and_table_agree_with_the_rule(works: list[Work]) -> None:
    found = assign(works)
    assert dict(load_split()) == found
    for folder in ("studies", "experiments"):
        for item in (files("ketasim") / folder).iterdir():
            if item.name.endswith(".yaml"):
                data = yaml.load(
                    item.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
                )
                uses = {row["use"] for row in data.get("observations") or ()}
                assert uses <= {found[data["id"]].use, "heldout"}, item.name


def test_about_a_third_of_each_domain_is_kept(works: list[Work]) -> None:
    found = assign(works)
    for domain in ("pk", "mechanism", "clinical", "safety"):
        own = [found[work.name].use for work in works if work.domain == domain]
        # A family at the edge is kept whole.
        assert 1 / 3 - 0.01 <= own.count("check") / len(own) <= 0.45, domain


def test_kinetic_fits_leave_the_check_studies_out(works: list[Work]) -> None:
    found = assign(works)
    kept = {
        key
        for work in works
        if work.domain == "pk" and found[work.name].use == "check"
        for key in work.citations
    }
    fitted = set(load_readings(use="fit")["citation"])
    assert kept
    assert not kept & fitted


def test_rows_held_out_elsewhere_stay_so() -> None:
    assert marked("use: check, use: heldout", "calibration") == "use: calibration, use: heldout"
