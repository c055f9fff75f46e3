"""Takes the screenshots of the guide to the explorer: ``python -m tests.browser.pictures docs/images``."""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from tests.browser.explorer import TWICE_WEEKLY, Explorer, link_of, open_explorer
from tests.browser.launch import Chromium, Server, find_chromium

_SIZE = (1440, 1080)
_NASAL = {
    "regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks",
    "setting": {"control": "saline"},
}
_TRIAL: dict[str, Any] = {
    "kind": "trial",
    "name": "Two infusions a week against midazolam",
    "scenarios": [{"regimen": TWICE_WEEKLY, "population": "mdd_trials"}],
    "design": {"n": 60, "drop_out": "15 %"},
    "replicates": 60,
}

_BELOW_CLOCKS = """scrollBy(0, document.querySelector('.row[data-row="mtorc1"]').getBoundingClientRect().top
  - document.querySelector(".clock-head").offsetHeight)"""


def main() -> None:
    """Take them all into the folder that is named."""
    chromium, folder = find_chromium(), Path(sys.argv[1]) if len(sys.argv) == 2 else None
    if chromium is None or folder is None or not folder.is_dir():
        raise SystemExit("usage: python -m tests.browser.pictures FOLDER   (needs the program 'chromium')")
    browser = Chromium()
    try:
        with tempfile.TemporaryDirectory() as state, Server.started(Path(state)) as server:
            server.warm()
            chain = link_of([{"regimen": TWICE_WEEKLY}, _NASAL], tau_h=3.0, axis={"end_h": 1344})
            with open_explorer(browser.browser(chromium), server, size=_SIZE, link=chain) as explorer:
                _keep(explorer, folder / "explorer.png")
            stage = link_of([{"regimen": TWICE_WEEKLY}], tau_h=24.0, open="mtorc1")
            with open_explorer(browser.browser(chromium), server, size=_SIZE, link=stage) as explorer:
                explorer.page.locator(".stage-strip .params").wait_for()
                # Just below the clocks, which stay at the top.
                explorer.page.evaluate(_BELOW_CLOCKS)
                _keep(explorer, folder / "explorer_stage.png")
            _finished(server, server.call("/jobs", _TRIAL)["job"])
            with open_explorer(browser.browser(chromium), server, size=_SIZE, link=chain) as explorer:
                explorer.page.locator("#views").get_by_role("button", name="Trial").click()
                explorer.page.get_by_role("button", name=_TRIAL["name"], exact=True).click()
                explorer.page.locator(".trial-headline").wait_for()
                explorer.page.evaluate("scrollTo(0, 0)")
                _keep(explorer, folder / "explorer_trial.png")
    finally:
        browser.close()


def _finished(server: Server, job: str) -> None:
    while server.call(f"/jobs/{job}")["state"] in ("queued", "running", "stopping"):
        time.sleep(0.5)


def _keep(explorer: Explorer, path: Path) -> None:
    """Write a picture when everything that follows a change is there, in as many colours as are needed."""
    explorer.settle(1.0)
    shot = Image.open(io.BytesIO(explorer.page.screenshot(animations="disabled"))).convert("RGB")
    shot.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
