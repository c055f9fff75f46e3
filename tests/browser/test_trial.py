"""A trial from the page: progress, preliminary results, stopping, reloading, and the same numbers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Route
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


def started(explorer: Explorer) -> str:
    """Press Run; the name under which the server knows the run."""
    with explorer.page.expect_response(
        lambda answer: answer.url.endswith("/jobs") and answer.request.method == "POST"
    ) as answer:
        start(explorer)
    return str(answer.value.json()["job"])


def shown(explorer: Explorer, job: str) -> Locator:
    """The result of this run and of no other, once there is one."""
    result = explorer.page.locator(f'#trial .run-body[data-job="{job}"]')
    result.wait_for(timeout=_PATIENCE_MS)
    return result


def ended(explorer: Explorer, job: str) -> Locator:
    """The last result of a run that has ended."""
    result = shown(explorer, job)
    export(explorer).wait_for(timeout=_PATIENCE_MS)
    return result


def hold(explorer: Explorer, pattern: str) -> list[Route]:
    """Keep back all questions to addresses of a pattern; the list fills as they are asked."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    explorer.page.route(pattern, keep)
    return held


def export(explorer: Explorer) -> Locator:
    """What is offered for a run that has ended."""
    return explorer.page.get_by_role("button", name="Export this run")


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
    job = started(trial)
    headline = ended(trial, job).locator(".trial-headline")
    assert server.call(f"/jobs/{job}")["state"] == "finished"
    result = server.call(f"/jobs/{job}/result")
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
    job = started(trial)
    ended(trial, job)
    result = server.call(f"/jobs/{job}/result")
    assert "--seed 7" in result["command"]
    assert result["command"] in trial.page.locator("#trial").inner_text()
    export(trial).click()
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
    job = started(trial)
    line = trial.page.locator("#trial .progress-line")
    mark = trial.page.locator("#trial .preliminary")
    mark.wait_for(timeout=_PATIENCE_MS)
    shown(trial, job)
    assert not export(trial).is_visible()
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
    ended(trial, job)
    assert server.call(f"/jobs/{job}")["state"] == "stopped"
    result = server.call(f"/jobs/{job}/result")
    assert 0 < result["replicates"] < 2000
    assert f"{result['replicates']} of" in kept.inner_text().replace(",", "")
    assert trial.page.get_by_role("button", name="Resume").first.is_visible()


def _done(text: str) -> int:
    found = re.search(r"([\d,]+) of [\d,]+ trials", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


def test_run_takes_the_result_before_away_at_once_and_gives_it_back_if_refused(trial: Explorer) -> None:
    trial.allow("422")
    design(trial, 10, 2)
    first = started(trial)
    ended(trial, first)
    held = hold(trial, "**/api/v1/jobs")
    design(trial, 10, 3)
    start(trial)
    trial.until("document.querySelector('#trial .run-body').innerText.startsWith('Asking')", "a blank result")
    assert trial.page.locator(".trial-headline").count() == 0
    assert not export(trial).is_visible()
    with trial.page.expect_response(
        lambda answer: answer.url.endswith("/jobs") and answer.request.method == "POST"
    ) as answer:
        for route in held:
            route.continue_()
        trial.page.unroute("**/api/v1/jobs")
    second = answer.value.json()["job"]
    assert second != first
    ended(trial, second)
    leave = trial.page.get_by_label("Leave by the last visit")
    leave.fill("150 %")
    leave.press("Tab")
    start(trial)
    trial.page.locator(f"#{leave.get_attribute('id')}-error").wait_for()
    ended(trial, second)


def test_a_late_result_of_the_run_before_is_not_taken_for_the_new_one(
    trial: Explorer, server: Server
) -> None:
    design(trial, 10, 2)
    first = started(trial)
    ended(trial, first)
    # The page opens on the newest run; its result comes when another run is under way already.
    late = f"**/api/v1/jobs/{first}/result"
    held = hold(trial, late)
    trial.page.reload()
    trial.page.wait_for_selector("html[data-ready]", state="attached")
    while not held:
        trial.page.wait_for_timeout(20)
    design(trial, 40, 2000)
    second = started(trial)
    with trial.page.expect_response(late):
        held[0].continue_()
    trial.frame()
    assert trial.page.locator(f'#trial .run-body[data-job="{first}"]').count() == 0
    assert not export(trial).is_visible()
    shown(trial, second)
    assert trial.page.locator("#trial .preliminary").is_visible()
    assert server.call(f"/jobs/{second}")["state"] == "running"


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
