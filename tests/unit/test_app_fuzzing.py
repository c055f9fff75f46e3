"""Whatever the contract allows, and what it does not, is answered as the contract says.

Every operation gets requests made from its own schema, valid and not. A reply must have a named status, be
described in the document, have its shape, and never be a fault of the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
pytest.importorskip("schemathesis", reason="requests are made from the contract by schemathesis")
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.unit.app_client import BASE, Client, an_app

_DOCUMENT = "/api/v1/openapi.json"
_EXAMPLES = 12
#: Failures that have a name of their own: see the server's table of replies.
_NAMED_FAILURES = {"solver_failed", "compiling", "timeout"}
_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        # Runs are accepted and wait: what they compute is tested elsewhere.
        patch.setattr("ketasim.app.jobs.pool.JobPool._next", lambda *_: None)
        with an_app(tmp_path_factory.mktemp("state")) as found:
            yield found


@pytest.fixture(scope="module")
def contract(client: Client) -> Any:
    return schemathesis.openapi.from_dict(client.get(_DOCUMENT).json())


def sent(client: Client, case: Any) -> Any:
    """Send a case as it is written."""
    parts = case.as_transport_kwargs(base_url=BASE)
    content = {"json": parts["json"]} if "json" in parts else {"content": parts.get("data")}
    headers = {name: value for name, value in dict(parts["headers"]).items() if name.lower() != "user-agent"}
    return client.request(
        parts["method"],
        parts["url"],
        params=parts.get("params"),
        headers={**client.headers, **headers},
        **content,
    )


def operations(client: Client) -> list[tuple[str, str]]:
    document = client.get(_DOCUMENT).json()
    return [(path, method) for path, found in document["paths"].items() for method in found]


def test_any_request_of_the_contract_has_an_answer_of_the_contract(client: Client, contract: Any) -> None:
    names = operations(client)
    assert len(names) >= 8
    for path, method in names:
        if path.endswith("/events"):
            # A stream has no end to wait for; unknown runs are refused before one begins.
            continue
        fuzz(client, contract[path][method.upper()])


def fuzz(client: Client, operation: Any) -> None:
    """Send what one operation allows and what it does not."""

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        reply = sent(client, case)
        if reply.status_code >= 500:
            assert reply.json()["code"] in _NAMED_FAILURES, reply.text
        assert "Traceback" not in reply.text
        case.validate_response(reply, checks=_CHECKS)

    run()
