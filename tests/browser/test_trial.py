"""A trial from the page: progress, preliminary results, stopping, reloading, and the same numbers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of
from tests.browser.launch import KETASIM, Server
from tests.browser.printed import printed

from ketasim.api.scenarios import to_parameter_file

Opener = Callable[..., Explorer]

_LINK = link_of([{"regimen": INFUSION}], bands="none", view="trial")
_PATIENCE_MS = 60_000


def design(explorer: Explorer, people: int, trials: int, seed: int = 1) -> None:
    """Fill the form with a small trial."""
    for label, value in (("People an arm", people), ("Trials", trials), ("Seed", seed)):
        field = explorer.page.locator("#trial").get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Tab")


def start(explorer: Explorer) -> None:
    """Press Run."""
    explorer.page.locator("#trial").get_by_role("button", name="Run", exact=True).click()


def newest(server: Server) -> dict[str, Any]:
    """The run that was asked for last."""
    found: dict[str, Any] = server.call("/jobs")["jobs"][0]
    return found


@pytest.fixture
def trial(explore: Opener, server: Server) -> Iterator[Explorer]:
    """The Trial view; what runs at the end is thrown away."""
    explorer = explore(link=_LINK)
    explorer.page.locator("#trial").get_by_role("button", name="Run", exact=True).wait_for()
    yield explorer
    for job in server.call("/jobs")["jobs"]:
        explorer.page.request.delete(
            f"{server.origin}/api/v1/jobs/{job['job']}", headers={"Authorization": f"Bearer {server.token}"}
        )


def test_small_trial_ends_with_the_numbers_of_the_api(trial: Explorer, server: Server) -> None:
    design(trial, 12, 6)
    start(trial)
    headline = trial.page.locator(".trial-headline")
    headline.wait_for(timeout=_PATIENCE_MS)
    trial.page.get_by_role("button", name="Export this run").wait_for(timeout=_PATIENCE_MS)
    job = newest(server)
    assert job["state"] == "finished"
    result = server.call(f"/jobs/{job['job']}/result")
    assert headline.inner_text() == result["headline"]
    assert result["support"] in trial.page.locator("#trial").inner_text()
    card = trial.page.locator('#trial .card[data-key="visits"]')
    card.get_by_role("button", name="Show as table").click()
    rows = [row.locator("th, td").all_inner_texts() for row in card.locator("tbody tr").all()]
    names = {arm["id"]: arm["name"] for arm in result["arms"]}
    mine = [row for row in result["endpoints"] if row["name"] == result["study"]["scale"]]
    assert [(row[0], row[2]) for row in rows] == [
        (names[row["arm"]], printed(row["estimate"])) for row in mine
    ]
    for key in ("survival", "per100", "groups", "power"):
        assert trial.page.locator(f'#trial .card[data-key="{key}"]').count() <= 1
    assert "Who stayed" in trial.page.locator("#trial").inner_text()
    assert trial.page.locator("#trial .runs li").count() >= 1


def test_same_seed_gives_the_same_table_as_the_command_line(
    trial: Explorer, server: Server, tmp_path: Path
) -> None:
    design(trial, 10, 3, seed=7)
    start(trial)
    trial.page.get_by_role("button", name="Export this run").wait_for(timeout=_PATIENCE_MS)
    result = server.call(f"/jobs/{newest(server)['job']}/result")
    assert "--seed 7" in result["command"]
    assert result["command"] in trial.page.locator("#trial").inner_text()
    trial.page.get_by_role("button", name="Export this run").click()
    dialog = trial.page.get_by_role("dialog")
    dialog.get_by_label("Study file", exact=False).check()
    with trial.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    file = tmp_path / "study.yaml"
    file.write_bytes(download.value.path().read_bytes())
    # The file that the command names where a scenario changes parameters.
    (tmp_path / "parameters.csv").write_text(to_parameter_file({"regimen": INFUSION}), "utf-8")
    words = result["command"].split()
    arguments = [str(file) if word.endswith((".yaml", ".yml")) else word for word in words[1:]]
    command = [*KETASIM, *arguments, "--out", str(tmp_path / "run"), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    own = _means(tmp_path / "run", result["study"]["scale"])
    compared = 0
    for row in result["endpoints"]:
        if row["name"] != result["study"]["scale"] or (row["arm"], row["visit_h"]) not in own:
            continue
        # The page has five digits.
        assert row["estimate"] == pytest.approx(own[row["arm"], row["visit_h"]], rel=1e-4)
        compared += 1
    assert compared >= 4


def _means(folder: Path, scale: str) -> dict[tuple[str, float], float]:
    """Mean score of each arm and visit over the trials of a run folder."""
    frame = pd.read_csv(folder / "endpoints.csv")
    means = frame[frame["quantity"] == scale].groupby(["arm", "time_h"], observed=True)["mean"].mean()
    return {(str(arm), float(time)): float(value) for (arm, time), value in means.items()}


def test_long_trial_shows_progress_marks_partials_survives_reload_and_is_kept(
    trial: Explorer, server: Server
) -> None:
    design(trial, 40, 2000)
    start(trial)
    line = trial.page.locator("#trial .progress-line")
    mark = trial.page.locator("#trial .preliminary")
    mark.wait_for(timeout=_PATIENCE_MS)
    assert re.match(r"Preliminary: [\d,]+ of 2,?000 trials so far\.", mark.inner_text())
    first = _done(line.inner_text())
    trial.until(
        f"""(() => {{
          const line = document.querySelector("#trial .progress-line").innerText;
          const found = /([\\d,]+) of [\\d,]+ trials/.exec(line);
          return found && Number(found[1].replaceAll(",", "")) > {first};
        }})()""",
        "more trials to be done",
        30.0,
    )
    trial.page.reload()
    trial.page.wait_for_selector("html[data-ready]", state="attached")
    mark.wait_for(timeout=_PATIENCE_MS)
    assert _done(line.inner_text()) > first
    trial.page.get_by_role("button", name="Stop and keep").click()
    kept = trial.page.get_by_text("Stopped: this is the result of", exact=False)
    kept.wait_for(timeout=_PATIENCE_MS)
    job = newest(server)
    assert job["state"] == "stopped"
    result = server.call(f"/jobs/{job['job']}/result")
    assert 0 < result["replicates"] < 2000
    assert f"{result['replicates']} of" in kept.inner_text().replace(",", "")
    assert trial.page.get_by_role("button", name="Resume").first.is_visible()


def _done(text: str) -> int:
    found = re.search(r"([\d,]+) of [\d,]+ trials", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


def test_curves_are_not_held_up_by_a_long_run(trial: Explorer) -> None:
    design(trial, 100, 2000)
    start(trial)
    trial.page.locator("#trial .progress-line", has_text="trials").wait_for(timeout=_PATIENCE_MS)
    trial.page.locator("#views").get_by_role("button", name="Explore").click()
    before = trial.curves()["ketamine_venous"]
    slider = trial.page.get_by_label("Amount, slider")
    slider.focus()
    trial.press(*["ArrowRight"] * 5)
    drawn = json.dumps(before)
    trial.until(
        f"""document.querySelector('[data-row="ketamine_venous"] .stroke-A').getAttribute("d") !== {drawn}""",
        "a new curve while a trial runs",
        3.0,
    )


def test_what_is_wrong_with_a_design_is_said_at_its_field(trial: Explorer) -> None:
    trial.allow("422", "413")
    design(trial, 12, 6)
    leave = trial.page.get_by_label("Leave by the last visit")
    leave.fill("150 %")
    leave.press("Tab")
    start(trial)
    message = trial.page.locator(f"#{leave.get_attribute('id')}-error")
    message.wait_for()
    assert "150" in message.inner_text() or "100" in message.inner_text()
    leave.fill("10 %")
    leave.press("Tab")
    design(trial, 3000, 10_000)
    start(trial)
    trial.page.get_by_text("ketasim run", exact=False).first.wait_for()
