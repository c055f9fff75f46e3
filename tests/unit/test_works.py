from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.errors import StudyError
from ketasim.trials import Study, load_work, shipped_studies, shipped_works, works_in
from ketasim.trials.experiment import Experiment, shipped_experiments


def test_kind_of_file_decides() -> None:
    assert isinstance(load_work("li2010"), Experiment)
    assert isinstance(load_work("daly2018"), Study)
    names = shipped_works()
    assert list(names) == sorted(names)
    # One name is one work.
    assert len(names) == len(shipped_studies()) + len(shipped_experiments())


def test_file_of_either_kind(tmp_path: Path) -> None:
    for name in ("li2010", "daly2018"):
        work = load_work(name)
        path = tmp_path / "renamed.yml"
        path.write_text(work.dump(), encoding="utf-8")
        assert load_work(path) == load_work(str(path)) == work


def test_unknown_kind_and_unknown_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("schema: 1\nkind: experimnt\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"odd\.yaml, line 2, kind: .*'experiment'"):
        load_work(path)
    with pytest.raises(StudyError, match=r"'milak2016'.*list experiments"):
        load_work("milak201")
    with pytest.raises(StudyError, match="does not exist"):
        load_work(str(tmp_path / "absent.yaml"))


def test_works_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study or experiment file"):
        works_in(tmp_path)
    with pytest.raises(StudyError, match="not a folder"):
        works_in(tmp_path / "absent")
    for name in ("b.yaml", "a.yml", "notes.txt", ".hidden.yaml", "deep/c.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    found = [str(path.relative_to(tmp_path)) for path in works_in(tmp_path)]
    assert found == ["a.yml", "b.yaml", "deep/c.yaml"]


def test_run_of_an_experiment_lays_the_rows_beside_the_model() -> None:
    result = CliRunner().invoke(app, ["run", "li2010", "--subjects", "4"])
    assert result.exit_code == 0
    for row in load_work("li2010").observations:
        assert row.id in result.stdout
    assert "4 animals an arm" in result.stdout


def test_run_of_an_experiment_refuses_what_is_of_a_trial() -> None:
    for option, name in ((["--days", "3d"], "--days"), (["--replicates", "2"], "--replicates")):
        result = CliRunner().invoke(app, ["run", "li2010", *option])
        assert result.exit_code == 2
        assert name in result.stderr
        assert "an experiment and not a trial" in result.stderr


def test_lists_and_schema() -> None:
    runner = CliRunner()
    for kind, word in (("experiments", "milak2016"), ("causes", "nbqx")):
        result = runner.invoke(app, ["list", kind, "--json"])
        assert result.exit_code == 0
        assert f'"{word}"' in result.stdout
    assert '"experiment"' in runner.invoke(app, ["schema", "experiment"]).stdout
    wrong = runner.invoke(app, ["schema", "experimnt"])
    assert wrong.exit_code == 2
    assert "'experiment'" in wrong.stderr
