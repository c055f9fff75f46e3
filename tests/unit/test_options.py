"""Disputes of the literature as named choices: every choice can be made, and sets what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim.errors import ModelError, UnitError
from ketasim.evidence import load_publications
from ketasim.model import load_parameters
from ketasim.model import options as options_module
from ketasim.model.options import load_options, option_texts, read_options
from ketasim.model.parameters import OWN_SOURCES
from ketasim.units import convert

COLUMNS = "option,choice,parameter,value,unit,source,note,default"
TABLE = load_parameters()
CHOICES = [(option.name, choice) for option in load_options().values() for choice in option.choices]


def written(folder: Path, *rows: str) -> Path:
    file = folder / "options.csv"
    file.write_text("\n".join((COLUMNS, *rows, "")), encoding="utf-8")
    return file


@pytest.mark.parametrize(("option", "choice"), CHOICES)
def test_every_choice_sets_parameters_that_exist_and_nothing_else(option: str, choice: str) -> None:
    settings = load_options()[option].choices[choice].settings
    found = TABLE.with_options({option: choice})
    for item in settings:
        expected = convert(item.value, item.unit, TABLE[item.parameter].unit)
        assert found[item.parameter].value == expected
    others = set(TABLE) - {item.parameter for item in settings}
    assert all(found[name] == TABLE[name] for name in others)
    assert found.correlations == TABLE.correlations


@pytest.mark.parametrize("option", load_options())
def test_the_default_is_what_the_tables_say_and_every_other_choice_is_not(option: str) -> None:
    own = load_options()[option]
    assert len(own.choices) > 1
    for choice in own.choices:
        moved = TABLE.with_options({option: choice})
        changed = {name for name in TABLE if moved[name].value != TABLE[name].value}
        assert bool(changed) == (choice != own.default), (choice, changed)


def test_every_source_is_a_publication_or_one_of_our_own() -> None:
    known = set(load_publications()["key"]) | set(OWN_SOURCES)
    used = {
        source
        for option in load_options().values()
        for choice in option.choices.values()
        for source in choice.sources
    }
    assert used - known == set()


def test_choices_are_made_together() -> None:
    found = TABLE.with_options({"clearance_ratio_r": "wang2019", "sex_clearance": "sigtermans2009"})
    assert (found["clearance_ratio_r"].value, found["clearance_ratio_female"].value) == (0.86, 1.2)
    assert TABLE["clearance_ratio_r"].value not in (0.86, 0.94)


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(ModelError, match="unknown option 'sex_clearence'; the nearest valid name is 'sex_cl"):
        TABLE.with_options({"sex_clearence": "none"})
    with pytest.raises(ModelError, match=r"option 'clearance_ratio_r': unknown choice 'wang'.*'wang2019'"):
        TABLE.with_options({"clearance_ratio_r": "wang"})


def test_choices_that_contradict_each_other_or_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(
        tmp_path,
        "one,old,,,,key,,1",
        "one,new,clearance,80,L/h,key,,0",
        "two,old,,,,key,,1",
        "two,new,clearance,90,L/h,key,,0",
        "two,lost,clearence,90,L/h,key,,0",
        "two,wrong,clearance,90,kg,key,,0",
        "two,other,clearance,1000,mL/min,key,,0",
    )
    monkeypatch.setattr(options_module, "load_options", lambda: read_options(file))
    assert TABLE.with_options({"two": "other"})["clearance"].value == pytest.approx(60.0)
    with pytest.raises(ModelError, match="option 'two': choice 'new' sets 'clearance', as option 'one' does"):
        TABLE.with_options({"one": "new", "two": "new"})
    with pytest.raises(ModelError, match="nearest valid name is 'clearance'"):
        TABLE.with_options({"two": "lost"})
    with pytest.raises(UnitError):
        TABLE.with_options({"two": "wrong"})


def test_texts_hold_every_choice_once_and_mark_the_defaults() -> None:
    texts = option_texts()
    assert len(texts) == len(CHOICES)
    assert sum("(default)" in text for text in texts) == len(load_options())
    (wang,) = [text for text in texts if text.startswith("clearance_ratio_r=wang2019:")]
    assert "sets clearance_ratio_r to 0.86 ratio" in wang
    assert wang.endswith("[wang2019]")


def test_a_choice_may_set_several_parameters(tmp_path: Path) -> None:
    rows = ("o,a,,,,key,as it is,1", "o,b,x,1,L,one,why,0", "o,b,y,2,h,two,,0")
    option = read_options(written(tmp_path, *rows))["o"]
    assert option.default == "a"
    assert option.choices["a"].settings == ()
    assert [(item.parameter, item.value, item.unit) for item in option.choices["b"].settings] == [
        ("x", 1.0, "L"),
        ("y", 2.0, "h"),
    ]
    assert (option.choices["b"].sources, option.choices["b"].note) == (("one", "two"), "why")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("o,a,,,,,,1",), "line 2: the column 'source' is empty"),
        (("o,,,,,key,,1",), "line 2: the column 'choice' is empty"),
        (("o,a,,,,key,,yes",), "line 2: default 'yes' must be 1"),
        (("o,a,x,1,,key,,1",), "line 2: parameter 'x', value '1', unit ''"),
        (("o,a,x,nan,L,key,,1",), "line 2: value 'nan' is not a finite number"),
        (("o,a,x,much,L,key,,1",), "value 'much'"),
        (("o,a,,,,key,,0", "o,b,x,1,L,key,,0"), "exactly one choice must be the default.*marked are none"),
        (("o,a,,,,key,,1", "o,b,x,1,L,key,,1"), "marked are a, b"),
        (("o,a,x,1,L,key,,1", "o,a,y,1,L,key,,0"), "with 1 in each of its rows"),
        (("o,a,x,1,L,key,,1", "o,a,x,2,L,key,,1"), "choice 'a': a parameter is set twice"),
        (("o,a,x,1,L,key,,1", "o,a,,,,key,,1"), "choice 'a': one of its rows sets no parameter"),
    ],
)
def test_rows_that_break_the_rules(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelError, match=rf"options\.csv.*{message}"):
        read_options(written(tmp_path, *rows))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "options.csv"
    file.write_text("option,choice\n", encoding="utf-8")
    with pytest.raises(ModelError, match="the columns must be option, choice"):
        read_options(file)
