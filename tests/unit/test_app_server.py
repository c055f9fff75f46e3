"""The whole explorer behind its contract: what is answered, how it is refused, and whatever else is sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from tests.unit.app_client import BASE, Client, an_app

from ketasim.api import scenarios
from ketasim.app.cascade_rows import load_rows
from ketasim.app.limits import limit
from ketasim.errors import SolverError

API = "/api/v1"
SCENARIO = {"regimen": "0.5 mg/kg ketamine iv over 40 min", "setting": {"control": "midazolam"}}
AXIS = {"dose": 1, "knots_h": [-0.5, 0.0, 2.0, 24.0, 72.0], "shares": [0.1, 0.3, 0.3, 0.3], "columns": 60}
NAMED = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with an_app(tmp_path_factory.mktemp("state")) as found:
        yield found


def refused(reply: Any, status: int, code: str) -> dict[str, Any]:
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in reply.text
    found: dict[str, Any] = reply.json()
    return found


def simulate(client: Client, **request: Any) -> Any:
    return client.post(f"{API}/simulate", json={"scenarios": [SCENARIO], "axis": AXIS, **request})


def test_curves_are_those_of_the_python_api(client: Client) -> None:
    rows = list(load_rows())
    reply = simulate(client, variables=rows)
    assert reply.status_code == 200
    result = reply.json()["results"][0]
    (own,) = scenarios.simulate_scenarios([SCENARIO], axis=AXIS, variables=rows)
    data = own.to_dict()
    assert result["time_h"] == data["time_h"]
    for name, row in load_rows().items():
        sent, made = result["series"][name], data["series"][name]
        assert sent["unit"] == row.unit
        for part in ("lo", "mid", "hi"):
            # Rows in per cent are a hundred times the model's unit, behind five digits; nothing else differs.
            assert sent[part] == pytest.approx(
                [row.scale * value for value in made[part]], rel=1e-9, abs=1e-9
            )
        assert result["rest"][name] == pytest.approx(row.scale * data["rest"][name], rel=1e-9, abs=1e-9)
    assert result["metrics"] == data["metrics"]
    assert reply.json()["model_hash"] == scenarios.model_hash()


def test_the_same_request_has_the_same_answer(client: Client) -> None:
    first, second = simulate(client).json(), simulate(client).json()
    assert first["hash"] == second["hash"]
    assert first["results"] == second["results"]
    assert simulate(client, seed=2).json()["hash"] != first["hash"]


def test_numbers_are_finite_and_short(client: Client) -> None:
    reply = simulate(client, bands="knowledge", draws=4)
    assert reply.status_code == 200
    assert "NaN" not in reply.text
    assert "Infinity" not in reply.text
    series = reply.json()["results"][0]["series"]["madrs"]
    assert set(series) >= {"lo", "mid", "hi", "q05", "q25", "q75", "q95"}
    # Five digits, a point, a sign and an exponent.
    assert max(len(repr(value)) for value in series["mid"]) <= 12


def test_a_reply_is_packed_for_who_can_unpack(client: Client) -> None:
    transport = simulate(client)
    assert transport.headers["content-encoding"] == "gzip"
    plain = client.post(
        f"{API}/simulate",
        json={"scenarios": [SCENARIO], "axis": AXIS},
        headers={"accept-encoding": "identity"},
    )
    assert "content-encoding" not in plain.headers
    assert len(gzip.compress(plain.content, 1)) < len(plain.content)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"regimen": "0.5 mg/kg ketamin iv"}, "/scenarios/0/regimen"),
        ({"person": {"weight": "7 lightyears"}}, "/scenarios/0/person/weight"),
        ({"person": {"weight": 70}}, "/scenarios/0/person/weight"),
        ({"person": {"hat": "red"}}, "/scenarios/0/person/hat"),
        ({"mechanism": {"wiring": "disinhibitoin"}}, "/scenarios/0/mechanism/wiring"),
        ({"mechanism": {"switches": {"ampa": 2.0}}}, "/scenarios/0/mechanism/switches/ampa"),
        ({"setting": {"control": "tea"}}, "/scenarios/0/setting/control"),
    ],
)
def test_a_fault_in_a_scenario_is_at_its_field(client: Client, change: dict[str, Any], path: str) -> None:
    problem = refused(simulate(client, scenarios=[{**SCENARIO, **change}]), 422, "invalid")
    assert path in [error["path"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"variables": ["mood"]}, "/variables/0"),
        ({"bands": "some"}, "/bands"),
        ({"scenarios": []}, "/scenarios"),
        ({"scenarios": "one"}, "/scenarios"),
        ({"axis": {**AXIS, "knots_h": [1.0]}}, "/axis/knots_h"),
        ({"axis": {**AXIS, "knots_h": [0.0, 2.0, 1.0, 3.0, 4.0]}}, "/axis/knots_h"),
        ({"axis": {**AXIS, "columns": 0}}, "/axis/columns"),
        ({"hat": 1}, "/hat"),
        ({"seed": -1}, "/seed"),
    ],
)
def test_a_fault_in_a_request_is_at_its_field(client: Client, request_: dict[str, Any], path: str) -> None:
    problem = refused(simulate(client, **request_), 422, "invalid")
    assert path in [error["path"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"scenarios": [SCENARIO] * 5}, "scenarios"),
        ({"axis": {**AXIS, "columns": 5000}}, "columns"),
        ({"draws": 100_000}, "draws"),
        ({"people": 1_000_000}, "people"),
        ({"variables": ["madrs"] * 41}, "variables"),
    ],
)
def test_too_much_is_refused_with_the_limit(client: Client, request_: dict[str, Any], name: str) -> None:
    problem = refused(simulate(client, **request_), 413, "too_large")
    assert problem["limit"]["value"] == limit(name).value
    assert "ketasim" in problem["command"]


def test_a_value_that_breaks_the_arithmetic_is_no_fault_of_the_program(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def divides(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(scenarios, "simulate_scenarios", divides)
    problem = refused(simulate(client), 422, "invalid")
    assert "above 0" in problem["detail"]


def test_a_failed_solve_names_the_patient(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        error = SolverError("patient 3: no step at 12 h.")
        error.patient = 3  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(scenarios, "simulate_scenarios", fails)
    problem = refused(simulate(client), 500, "solver_failed")
    assert problem["patient"] == 3
    assert problem["detail"] == "patient 3: no step at 12 h."


def test_while_the_model_is_made_the_page_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from ketasim.app import warming

    started = warming.Warming()
    started._started = 0.0
    monkeypatch.setattr(warming, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(client.app.state, "warming", started)
    problem = refused(simulate(client), 503, "compiling")
    assert 0.0 < problem["retry_after_s"] < 5.0
    assert problem["expected_s"] > 0.0


def test_curves_come_before_bands_and_a_fault_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ketasim.app import warming

    seen: list[bool] = []
    made = warming.Warming()

    def curves() -> None:
        seen.append(made.is_ready)

    def bands() -> None:
        seen.append(made.is_ready)
        raise OSError("the disk is full")

    monkeypatch.setattr(scenarios, "warm_steps", lambda: (("model", curves), ("bands", bands)))
    monkeypatch.setattr(warming, "meta_body", lambda: b"{}")
    later: list[str] = []
    monkeypatch.setattr(warming, "_AFTER_S", 0.0)
    monkeypatch.setattr(warming, "_REST_S", 0.0)
    monkeypatch.setattr(warming, "stage_body", later.append)
    for name in ("claims_reply", "scoreboard", "published_values"):
        monkeypatch.setattr(warming, name, lambda name=name: later.append(name))
    made._started = 0.0
    made._work()
    assert seen == [False, True]
    assert later[:3] == ["claims_reply", "scoreboard", "published_values"]
    assert len(later) == 3 + len(warming.STAGES)
    assert made.is_ready
    assert "the disk is full" in caplog.text


def test_what_there_is_to_choose_from_is_sent_once(client: Client) -> None:
    first = client.get(f"{API}/meta")
    assert first.status_code == 200
    assert first.json()["model_hash"] == scenarios.model_hash()
    again = client.get(f"{API}/meta", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/stages/symptoms", "equations"),
        ("/citations/daly2018", "authors"),
        ("/claims", "claims"),
        ("/evidence?query=ketamine&page=2&verdict=hit&use=check", "rows"),
        (
            "/observations?variable=madrs&drug=ketamine&route=iv&dose=0.5%20mg/kg",
            "observations",
        ),
    ],
)
def test_what_is_looked_up_is_found(client: Client, path: str, key: str) -> None:
    reply = client.get(API + path)
    assert reply.status_code == 200
    assert reply.json()[key]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/stages/nose", 404, "not_found"),
        ("GET", "/citations/nobody1999", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/meta", 405, "method"),
        ("GET", "/simulate", 405, "method"),
        ("GET", "/evidence?page=0", 422, "invalid"),
        ("GET", "/evidence?page=" + "9" * 500, 422, "invalid"),
        ("GET", "/observations?variable=madrs", 422, "invalid"),
    ],
)
def test_every_refusal_is_a_problem(client: Client, method: str, path: str, status: int, code: str) -> None:
    refused(client.request(method, API + path), status, code)


HOSTILE = [
    *(
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/settings.py",
        "/static/",
        "/index.html",
    ),
    *(
        "/static/..\\server.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/main.js/..",
        "/../../etc/passwd",
    ),
]


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_of_a_request_reaches_a_file(client: Client, path: str) -> None:
    import httpx

    reply = client.get(httpx.URL(BASE).copy_with(raw_path=path.encode()))  # type: ignore[arg-type]
    assert reply.status_code == 404
    assert "import" not in reply.text


def test_the_page_and_its_files_are_sent(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    script = client.get("/static/main.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/static/main.js", headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304


def test_plotly_is_told_where_to_put_its_styles(client: Client) -> None:
    pytest.importorskip("plotly", reason="the large view needs plotly")
    about = client.get("/vendor/plotly.json").json()
    script = client.get(about["script"])
    assert script.status_code == 200
    assert about["sheet"].removesuffix("global").encode() in script.content
    for name in about["present"]:
        assert f'e.id="{name}"'.encode() in script.content
    assert client.get(about["style"]).headers["content-type"] == "text/css; charset=utf-8"


def test_the_contract_says_what_each_reply_can_be(client: Client) -> None:
    document = client.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/simulate" in document["paths"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"413", "422", "500", "503"} <= set(operation["responses"])
            assert "Retry-After" in operation["responses"]["503"]["headers"]
            problem = operation["responses"]["422"]["content"]
            assert set(problem) == {"application/problem+json"}
    text = json.dumps(document)
    assert "http://127.0.0.1" not in text
