"""Publications by key."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ketasim.app.problems import AppProblem
from ketasim.errors import unknown_name

__all__ = ["citation_reply", "publication", "publications", "sources_of", "split_keys"]

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_PUBMED = re.compile(r"(?:PMID[: ]*)?(\d{6,8})")
_TRIAL = re.compile(r"NCT\d{8}")


def _url(identifier: str) -> str | None:
    """Return where a publication can be read, if its identifier says so."""
    doi = _DOI.search(identifier)
    if doi:
        return f"https://doi.org/{doi.group()}"
    trial = _TRIAL.search(identifier)
    if trial:
        return f"https://clinicaltrials.gov/study/{trial.group()}"
    pubmed = _PUBMED.fullmatch(identifier.strip())
    return f"https://pubmed.ncbi.nlm.nih.gov/{pubmed[1]}/" if pubmed else None


def _year(text: str) -> int | None:
    return int(text) if text.isdigit() else None


@cache
def publications() -> dict[str, dict[str, Any]]:
    """Every publication by its key, as plain data."""
    # Late: tables of evidence need pandas, and the first curve does not.
    from ketasim.evidence import citation_text, load_publications

    found = {}
    for row in load_publications().fillna("").astype(str).to_dict("records"):
        identifier = row["identifier"]
        doi = _DOI.search(identifier)
        found[row["key"]] = {
            "key": row["key"],
            "authors": row["authors"],
            "year": _year(row["year"].removesuffix(".0")),
            "title": row["title"],
            "journal": row["journal"],
            "identifier": identifier,
            "doi": doi.group() if doi else None,
            "url": _url(identifier),
            "short": citation_text(row["key"]),
            "from_memory": [name for name in row["recalled_fields"].split(";") if name],
        }
    return found


def publication(key: str) -> dict[str, Any] | None:
    """Return a publication, or None if there is none of this key."""
    return publications().get(key)


def split_keys(text: str) -> list[str]:
    """Return the keys in a text that joins several by semicolons."""
    return [key.strip() for key in text.split(";") if key.strip()]


def sources_of(text: str) -> list[dict[str, str]]:
    """Return key and short words of each publication that a text names."""
    return [{"key": key, "text": publications().get(key, {}).get("short", key)} for key in split_keys(text)]


def citation_reply(key: str) -> dict[str, Any]:
    """Return a publication as :class:`~ketasim.app.contract.Citation`.

    Raises
    ------
    AppProblem
        404, if there is no such publication; names the nearest.
    """
    found = publication(key)
    if found is None:
        detail = unknown_name("publication", key[:60], publications())
        raise AppProblem(
            404, "not_found", "Not found", detail, [{"path": "/key", "value": key, "hint": detail}]
        )
    return found
