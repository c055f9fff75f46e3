"""Who is answered, how much is read, and what a browser may do with a reply."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.unit.app_client import BEARER, TOKEN, Client, a_loop

from ketasim.app import problems, security
from ketasim.app.limits import Limit, limit, load_limits
from ketasim.app.problems import AppProblem
from ketasim.app.reading_json import depth_of, read_json
from ketasim.app.security import Guard
from ketasim.app.settings import AppSettings, keep_token, open_state
from ketasim.errors import KetasimError

SETTINGS = AppSettings(token=TOKEN)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what came in; some paths misbehave."""
    request = Request(scope, receive)
    if scope["path"] == "/fault":
        raise ZeroDivisionError("a secret of the code")
    if scope["path"] == "/slow":
        await asyncio.sleep(5.0)
    body = (await request.body()).decode()
    await JSONResponse({"path": scope["path"], "body": body})(scope, receive, send)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the token."""
    with a_loop() as loop:
        yield Client(Guard(echo, SETTINGS), loop)


@pytest.fixture
def stranger() -> Iterator[Client]:
    """A client without the token."""
    with a_loop() as loop:
        yield Client(Guard(echo, SETTINGS), loop, headers={})


def code(reply: httpx.Response) -> str:
    """The code of a problem, after a look at its shape."""
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == reply.status_code
    assert problem["type"] == f"urn:ketasim:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    found: str = problem["code"]
    return found


def test_the_opened_address_gives_a_cookie_once_and_then_holds_no_token(stranger: Client) -> None:
    reply = stranger.get(f"/?token={TOKEN}")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/"
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(f"ketasim_8765={TOKEN};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")[1:]}
    assert stranger.get("/", headers={"cookie": f"ketasim_8765={TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/meta", "/static/main.js", "/vendor/plotly.min.js", "/nowhere"])
def test_without_the_token_nothing_is_answered(stranger: Client, path: str) -> None:
    reply = stranger.get(path)
    assert (reply.status_code, code(reply)) == (401, "no_token")


@pytest.mark.parametrize(
    "headers",
    [
        {"cookie": "ketasim_8765=wrong"},
        {"cookie": "ketasim_8765="},
        {"cookie": f"ketasim_1={TOKEN}"},
        {"cookie": '=;;"\\'},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer ümlaut".encode().decode("latin-1")},
    ],
)
def test_a_wrong_token_is_none(stranger: Client, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert stranger.get("/api/v1/meta", headers=raw).status_code == 401
    page = stranger.get("/?token=wrong")
    assert page.status_code == 401
    assert "set-cookie" not in page.headers
    assert "ketasim app" in page.text


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:9", "127.0.0.1:8765@evil.example", ""),
        *(
            "localhost:8765.evil.example",
            "127.0.0.1.evil.example:8765",
            "[::1",
            "127.0.0.1:99999999",
            "192.168.0.7:8765",
        ),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(client: Client, host: str) -> None:
    assert code(client.get("/api/v1/meta", headers={"host": host})) == "wrong_host"


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"])
def test_this_computer_may_be_named_in_its_three_ways(client: Client, host: str) -> None:
    assert client.get("/api/v1/meta", headers={"host": host}).status_code == 200


def test_a_server_for_others_may_be_named_by_number_but_not_by_any_name() -> None:
    open_to_all = AppSettings(host="0.0.0.0", port=80, token=TOKEN)
    assert open_to_all.allows_host("192.168.0.7")
    assert open_to_all.allows_host("[fe80::1]:80")
    assert not open_to_all.allows_host("evil.example")
    assert open_to_all.shown_host == "127.0.0.1"
    assert AppSettings(host="::1").shown_host == "[::1]"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "http://[::1"},
        {"origin": "http://127.0.0.1:8765.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_page_is_refused_even_with_the_token(client: Client, headers: dict[str, str]) -> None:
    for method in ("GET", "POST", "DELETE"):
        reply = client.request(method, "/api/v1/simulate", headers=headers, json={})
        assert (reply.status_code, code(reply)) == (403, "wrong_origin")


def test_a_strange_cookie_of_another_program_hides_nothing(stranger: Client) -> None:
    cookies = f'a={{"b": [1, 2]}}; c="; ketasim_8765={TOKEN}; =;;'
    assert stranger.get("/api/v1/meta", headers={"cookie": cookies}).status_code == 200


def test_an_address_with_a_hundred_fields_is_no_token(stranger: Client) -> None:
    many = "&".join(f"token={TOKEN}" for _ in range(100))
    assert stranger.get(f"/?{many}").status_code == 401


def test_the_own_page_is_answered(client: Client) -> None:
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client.post("/api/v1/simulate", headers=own, json={"a": 1}).json()["body"] == '{"a":1}'


def test_every_reply_says_what_a_browser_may_do(client: Client, stranger: Client) -> None:
    replies = [
        client.get("/"),
        stranger.get("/"),
        stranger.get("/api/v1/meta"),
        client.get("/fault"),
        client.get("/", headers={"host": "evil.example"}),
    ]
    for reply in replies:
        assert reply.headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cache-control"]
        assert "access-control-allow-origin" not in reply.headers


def test_a_fault_of_the_program_shows_nothing_of_the_code(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    reply = client.get("/fault")
    assert (reply.status_code, code(reply)) == (500, "failed")
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        *(
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
            "[1, 2]",
            '"text"',
            "{",
            "nul",
        ),
        *('{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}", '{"a":' * 50 + "1" + "}" * 50, "[" * 100_000),
    ],
)
def test_what_is_no_plain_json_is_unreadable(client: Client, body: str) -> None:
    reply = client.post("/api/v1/simulate", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, code(reply)) == (400, "unreadable")


def test_bytes_that_are_no_text_are_unreadable(client: Client) -> None:
    reply = client.post("/x", content=b'{"a": "\xff"}', headers={"content-type": "application/json"})
    assert code(reply) == "unreadable"


def test_depth_counts_brackets_outside_texts() -> None:
    assert depth_of(b'{"a": "[[[[", "b": [[1], "\\"]"]}') == 3
    assert read_json(json.dumps({"a": ["[" * 200]}).encode()) == {"a": ["[" * 200]}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_only_json_is_taken(client: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    assert code(client.post("/api/v1/simulate", content=b"{}", headers=headers)) == "not_json"


def test_a_large_body_is_refused_whether_it_says_so_or_not(client: Client) -> None:
    most = int(limit("body").value)
    big = json.dumps({"a": "x" * most}).encode()

    async def parts() -> Any:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    for content in (big, parts()):
        reply = client.post("/x", content=content, headers={"content-type": "application/json"})
        assert (reply.status_code, code(reply)) == (413, "too_large")
        assert reply.json()["limit"] == {"id": "body", "value": most, "unit": "bytes"}
    within = json.dumps({"a": "x" * (most - 20)}).encode()
    reply = client.post("/x", content=within, headers={"content-type": "application/json"})
    assert len(reply.json()["body"]) == len(within)


def test_a_length_that_lies_is_no_way_in(client: Client) -> None:
    headers = {"content-type": "application/json", "content-length": "9" * 400}
    assert code(client.post("/x", content=b"{}", headers=headers)) == "too_large"


def test_work_ends_with_its_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Limit("request_time", 0.05, "s", "time that one request may take", "ketasim simulate")
    monkeypatch.setattr(security, "limit", lambda name: short if name == "request_time" else limit(name))
    monkeypatch.setattr(problems, "limit", lambda name: short if name == "request_time" else limit(name))
    reply = client.get("/slow")
    assert (reply.status_code, code(reply)) == (503, "timeout")
    assert int(reply.headers["retry-after"]) > 0
    # A page would ask by itself again and again if the reply said when.
    assert "retry_after_s" not in reply.json()
    assert "within 0.05 s" in reply.json()["detail"]
    assert "ketasim simulate" in reply.json()["detail"]


def test_a_socket_is_closed_at_once() -> None:
    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        await Guard(echo, SETTINGS)({"type": "websocket"}, None, send)  # type: ignore[arg-type]

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_every_limit_is_a_sentence() -> None:
    for bound in load_limits().values():
        assert bound.value > 0.0
        assert bound.words in bound.text
    with pytest.raises(KetasimError, match="nearest valid name is 'body'"):
        limit("bodi")


def test_the_token_outlives_a_start_and_is_this_user_s_alone(tmp_path: Path) -> None:
    folder = open_state(tmp_path / "a" / "b")
    token = keep_token(folder)
    assert keep_token(folder) == token
    assert len(token) >= 32
    if os.name == "posix":
        assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="owners and modes are those of POSIX")
def test_a_token_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    token = keep_token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    other = keep_token(tmp_path)
    assert other != token
    (tmp_path / "token").write_text("short")
    assert len(keep_token(tmp_path)) >= 32
    (tmp_path / "real").write_text(token)
    (tmp_path / "token").unlink()
    (tmp_path / "token").symlink_to(tmp_path / "real")
    assert keep_token(tmp_path) != token
    with contextlib.suppress(FileNotFoundError):
        assert (tmp_path / "real").read_text() == token


def test_a_state_folder_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KetasimError, match=r"--state .*file: the folder cannot be made"):
        open_state(tmp_path / "file")


def test_a_token_is_never_shown_by_accident() -> None:
    assert TOKEN not in repr(SETTINGS)
    assert TOKEN in SETTINGS.address
    assert BEARER["Authorization"].endswith(TOKEN)


def test_a_problem_keeps_what_it_is_told() -> None:
    problem = AppProblem(409, "model_changed", "Changed", "another model", [{"path": "/a"}], retry_after_s=2)
    assert (problem.status, problem.code, problem.errors) == (409, "model_changed", [{"path": "/a"}])
    assert problem.extra == {"retry_after_s": 2}
