"""Measure the explorer in Chromium, and write ``EXPLORER.md`` and ``explorer.json`` beside this file.

A real server (``ketasim app``) and a real browser on this machine; times in the page run from an input event
to the frame in which its effect is drawn, the server included. Needs the extra ``dev`` and Chromium. It takes
some five minutes; ``--only`` measures some parts anew and keeps the numbers of the others.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.browser.explorer import TWICE_WEEKLY, open_explorer
from tests.browser.launch import Chromium, Server, find_chromium

from benchmarks import explorer_page as page
from benchmarks.explorer_report import markdown
from benchmarks.report import machine

__all__ = ["main"]

_HERE = Path(__file__).resolve().parent
_ABOUT = ("date", "processor", "system", "python")
_CHANGES, _FEWER, _STARTS = 200, 60, 3
_CROWD, _CROWD_S = 20, 60.0
_SCENARIO: dict[str, Any] = {"regimen": TWICE_WEEKLY}
_AXIS = {
    "dose": 1,
    "knots_h": [-0.26, 0.0, 2.0, 24.0, 336.0, 2016.0],
    "shares": [0.035, 0.265, 0.20, 0.26, 0.24],
    "columns": 480,
}
#: Path of everything that the page was sent, with its size unpacked and packed, and whether it was asked for
#: before the first curve was drawn.
_SENT = """performance.getEntriesByType("resource").map((one) => [new URL(one.name).pathname,
  one.decodedBodySize, one.encodedBodySize, one.startTime < window.firstCurve])"""
_MAIN = (
    *("ketamine_venous", "nmda_block_mean", "pyramidal_rate", "glutamate", "ampa_drive", "trkb", "mtorc1"),
    *("spine_density", "dmn_connectivity", "tnf", "madrs", "cadss", "systolic_pressure", "sedation"),
)


def main() -> None:
    """Run the benchmarks."""
    options = _parser().parse_args()
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("benchmarks.explorer: there is no program 'chromium' here; install it.")
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / "explorer.json"
    results: dict[str, Any] = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    results["about"] = {name: value for name, value in machine().items() if name in _ABOUT}
    for part in options.only or tuple(_PARTS):
        before = os.getloadavg()[0]
        print(f"{part} ...", file=sys.stderr, flush=True)
        results[part] = {**_PARTS[part](chromium, options), "load": before}
        # A part that fails leaves the others.
        store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (options.out / "EXPLORER.md").write_text(markdown(results), encoding="utf-8")
    print(markdown(results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("--only", choices=tuple(_PARTS), action="append", help="this part alone; repeatable")
    parser.add_argument("--pages", type=int, default=_CROWD, help="of the crowd (%(default)s)")
    parser.add_argument("--seconds", type=float, default=_CROWD_S, help="of the crowd (%(default)s)")
    parser.add_argument("--out", type=Path, default=_HERE, help="folder for the results")
    return parser


@contextmanager
def _running(warm: bool = True) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as state, Server.started(Path(state)) as server:
        if warm:
            server.warm()
            # What a server makes ready in the background after its start; a reader takes longer than that.
            for stage in server.call("/meta")["stages"]:
                server.call(f"/stages/{stage['id']}")
            server.call("/claims")
            server.call("/evidence")
        yield server


@contextmanager
def _browser(path: str) -> Iterator[Any]:
    chromium = Chromium()
    try:
        yield chromium.browser(path)
    finally:
        chromium.close()


@contextmanager
def _empty_caches() -> Iterator[None]:
    """As on a machine on which Ketasim never ran: nothing compiled lies on the disk."""
    names = ("KETASIM_CACHE_DIR", "NUMBA_CACHE_DIR")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({name: str(Path(folder) / name.lower()) for name in names})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _start(chromium: str, _: argparse.Namespace) -> dict[str, Any]:
    """From the call of the command, and from opening the page, to the first curve."""
    with _browser(chromium) as browser:
        # The first answers of this start are kept for those that follow.
        _first_curve(browser, page.link())
        warm = [_first_curve(browser, page.link()) for _ in range(_STARTS)]
        other = [_first_curve(browser, page.new_link()) for _ in range(_STARTS)]
        with _empty_caches():
            fresh = _first_curve(browser, page.link())
        with _running() as server:
            again = [_opened(browser, server, page.link()) for _ in range(5)]
    return {"warm": warm, "other": other, "fresh": fresh, "running_s": again}


def _first_curve(browser: Any, link: str) -> dict[str, float]:
    began = time.perf_counter()
    with _running(warm=False) as server:
        listening = time.perf_counter() - began
        _opened(browser, server, link)
        return {"address_s": listening, "curve_s": time.perf_counter() - began}


def _opened(browser: Any, server: Server, link: str) -> float:
    with open_explorer(browser, server, load=False) as explorer:
        began = time.perf_counter()
        explorer.page.goto(f"{server.origin}/?token={server.token}{link}")
        explorer.page.wait_for_selector(
            '.row[data-row="madrs"] .stroke-A[d^="M"]', state="attached", timeout=90_000
        )
        return time.perf_counter() - began


def _page(chromium: str, _: argparse.Namespace) -> dict[str, Any]:
    """Slider, bands, cursor, drawing, stages and switches on one page."""
    found: dict[str, Any] = {}
    with _browser(chromium) as browser, _running() as server:

        def timed(name: str, link: str, measure: Callable[[Any], list[Any]]) -> None:
            print(f"  {name}", file=sys.stderr, flush=True)
            with open_explorer(browser, server, link=link, script=page.HELPERS) as explorer:
                before = _processor_s(server)
                found[name] = measure(explorer)
                spent = [after - start for after, start in zip(_processor_s(server), before, strict=True)]
                found[f"{name}_processor_ms"] = [1e3 * one / len(found[name]) for one in spent]
                if faults := explorer.faults():
                    raise SystemExit(f"{name}: {faults}")

        timed("slider", page.link(bands="none"), lambda explorer: page.drag(explorer, _CHANGES))
        timed("slider_bands_on", page.link(), lambda explorer: page.drag(explorer, _FEWER))
        timed("slider_four", page.link(4, bands="none"), lambda explorer: page.drag(explorer, _FEWER))
        timed("bands", page.link(), lambda explorer: page.releases(explorer, _FEWER))
        found["bands_all"] = [all_draws for _, all_draws in found["bands"]]
        found["bands_all_processor_ms"] = found["bands_processor_ms"]
        found["bands"] = [few for few, _ in found["bands"]]
        timed("cursor", page.link(2), lambda explorer: page.cursor(explorer, _CHANGES))
        timed("redraw", page.link(2), lambda explorer: page.redraws(explorer, _FEWER))
        timed("stage", page.link(), page.stages)
        timed("switch", page.link(bands="none"), lambda explorer: page.switches(explorer, 4))
    return found


def _processor_s(server: Server) -> tuple[float, float]:
    """Processor time so far, in s: of the server, and of the browser with all its processes."""
    mine = psutil.Process().children(recursive=True)
    browser = [one for one in mine if "chrom" in one.name()]
    return tuple(
        sum(times.user + times.system for times in (one.cpu_times() for one in group))
        for group in ([psutil.Process(server.process.pid)], browser)
    )  # type: ignore[return-value]


def _weight(chromium: str, _: argparse.Namespace) -> dict[str, Any]:
    """Bytes of the page's own modules and styles: before the first curve, of the first view, and all."""
    import gzip
    from importlib import resources

    files = [item for item in (resources.files("ketasim.app") / "static").iterdir() if item.is_file()]
    with (
        _browser(chromium) as browser,
        _running() as server,
        open_explorer(browser, server, script=page.FIRST_CURVE) as explorer,
    ):
        sent = explorer.page.evaluate(_SENT)
    own = [one for one in sent if one[0].startswith("/static/")]
    first = [one for one in own if one[3]]
    return {
        "files": len(files),
        "all_raw": sum(len(item.read_bytes()) for item in files),
        "all_gzip": sum(len(gzip.compress(item.read_bytes(), 9)) for item in files),
        "first_files": len(first),
        "first_raw": sum(raw for _, raw, _, _ in first),
        "first_wire": sum(wire for _, _, wire, _ in first),
        "view_files": len(own),
        "view_raw": sum(raw for _, raw, _, _ in own),
        "view_wire": sum(wire for _, _, wire, _ in own),
        "api": [one[:3] for one in sent if one[0].startswith("/api/")],
    }


def _crowd(chromium: str, options: argparse.Namespace) -> dict[str, Any]:
    """Many pages that move their sliders at once; then as many clients that never rest."""
    times: list[float] = []
    faults: list[str] = []
    with _browser(chromium) as browser, _running() as server, ExitStack() as stack:
        pages = [
            stack.enter_context(
                open_explorer(browser, server, link=page.link(bands="none"), script=page.HELPERS)
            )
            for _ in range(options.pages)
        ]
        for number, explorer in enumerate(pages):
            # The seventh position is where the slider stands already: no curve would change.
            page.drag_for(explorer, options.seconds, 8 + number)
        time.sleep(options.seconds)
        for explorer in pages:
            took, wrong = page.dragged(explorer, 60.0)
            times += took
            faults += wrong
    with _running() as server:
        calls, refused = _clients(server, options.pages, options.seconds)
    return {
        "pages": options.pages,
        "seconds": options.seconds,
        "page_ms": times,
        "page_faults": faults,
        "client_ms": calls,
        "client_faults": refused,
    }


def _clients(server: Server, count: int, seconds: float) -> tuple[list[float], list[str]]:
    times: list[float] = []
    faults: list[str] = []
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        step = number
        while time.perf_counter() < end:
            step += count
            began = time.perf_counter()
            connection.request(
                "POST", "/api/v1/simulate", json.dumps(_curves(0.1 + 0.001 * (step % 1900))), headers
            )
            reply = connection.getresponse()
            body = reply.read()
            times.append(1e3 * (time.perf_counter() - began))
            if reply.status != 200:
                faults.append(f"{reply.status} {body[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, faults


def _curves(dose: float, **more: Any) -> dict[str, Any]:
    """A request for curves, as the page sends it."""
    scenario = {"regimen": TWICE_WEEKLY.replace("0.5", f"{dose:.4g}")}
    return {"scenarios": [scenario], "axis": _AXIS, "variables": list(_MAIN), "bands": "none", **more}


def _server(_: str, __: argparse.Namespace) -> dict[str, Any]:
    """The same curves from the server and from Python here, in turns; and counts of 1,000 people."""
    import ketasim as ks

    python, inside, whole = [], [], []
    doses = [0.2 + 0.005 * step for step in range(_CHANGES)]
    with _running() as server:
        ks.simulate_scenarios([_SCENARIO], axis=_AXIS, variables=_MAIN)
        for dose in doses:
            asked = _curves(dose)
            began = time.perf_counter()
            ks.simulate_scenarios(asked["scenarios"], axis=_AXIS, variables=_MAIN)
            python.append(1e3 * (time.perf_counter() - began))
            began = time.perf_counter()
            answer = server.call("/simulate", asked)
            whole.append(1e3 * (time.perf_counter() - began))
            inside.append(float(answer["elapsed_ms"]))
        people = []
        for dose in (0.31, 0.32, 0.33):
            began = time.perf_counter()
            server.call("/simulate", _curves(dose, variables=["madrs"], people=1000))
            people.append(time.perf_counter() - began)
    return {"python_ms": python, "inside_ms": inside, "whole_ms": whole, "people_s": people}


def _trial(_: str, __: argparse.Namespace) -> dict[str, Any]:
    """From asking for 1,000 trials of 200 people to the first partial result."""
    found = {}
    with _running() as server:
        for name in ("cold", "ready"):
            if name == "ready":
                # The page looks at the list of runs when its Trial view opens; a process is then made ready.
                server.call("/jobs")
                time.sleep(6.0)
            began = time.perf_counter()
            job = server.call(
                "/jobs",
                {
                    "kind": "trial",
                    "scenarios": [{"regimen": "0.5 mg/kg ketamine iv over 40 min"}],
                    "design": {"n": 100, "drop_out": "15 %"},
                    "replicates": 1000,
                },
            )["job"]
            accepted = time.perf_counter() - began
            partial = _first_partial(server, job)
            found[name] = {"accepted_s": accepted, "partial_s": time.perf_counter() - began, **partial}
            server.call(f"/jobs/{job}/stop", {"keep": True})
            while server.call(f"/jobs/{job}")["state"] in ("running", "stopping"):
                time.sleep(0.1)
    return found


def _first_partial(server: Server, job: str) -> dict[str, Any]:
    """Follow a run until its first partial result: trials in it, and people a second by then."""
    request = urllib.request.Request(
        f"{server.origin}/api/v1/jobs/{job}/events", headers={"Authorization": f"Bearer {server.token}"}
    )
    rate = 0.0
    with urllib.request.urlopen(request, timeout=120) as stream:
        name = ""
        for line in stream:
            text = line.decode().strip()
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: "):
                data = json.loads(text.removeprefix("data: "))
                if name == "progress":
                    rate = float(data["rate"])
                if name == "partial":
                    return {"trials": data["replicates"], "people_a_second": rate}
    raise SystemExit("the run ended without a partial result")


_PARTS: Mapping[str, Callable[[str, argparse.Namespace], dict[str, Any]]] = {
    "start": _start,
    "page": _page,
    "weight": _weight,
    "server": _server,
    "trial": _trial,
    "crowd": _crowd,
}


if __name__ == "__main__":
    main()
