"""Which studies may inform a fit, and which are kept to check it: a seeded rule.

A third of the studies of each domain are kept. A study whose publication set a parameter, a target or a
cause is no check of the model, and cannot be kept. The rule looks at names only, never at results.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ketasim.errors import EvidenceError

__all__ = [
    "SEED",
    "Assignment",
    "Work",
    "assign",
    "citations_that_set",
    "in_pools",
    "load_families",
    "load_split",
    "mark_files",
    "marked",
    "shipped_works_of",
    "write_split",
]

SEED = "ketasim 1"
_FILE = "split.csv"
_HEADS = ("study", "domain", "use", "reason")
#: Publications whose rows the model's description names as targets of the kinetics: 185 ng/mL after 40 min.
_DECLARED = frozenset({"zarate2006"})
#: Of so many studies of a domain one is kept.
_ONE_OF = 3
#: Tables with a source for each number, by package and folder.
_TABLES = (
    ("ketasim.model.parameters", ("human", "rat", "mouse")),
    ("ketasim.inference", ()),
    ("ketasim.trials", ()),
)
_USE = re.compile(r"\buse: (calibration|check)\b")


@dataclass(frozen=True)
class Work:
    """A study or experiment as far as the rule sees it.

    Parameters
    ----------
    name, domain : str
        Its id and its domain.
    citations : frozenset of str
        Publications that its rows cite.
    """

    name: str
    domain: str
    citations: frozenset[str]


@dataclass(frozen=True)
class Assignment:
    """What a study is for.

    Parameters
    ----------
    use : str
        ``calibration`` or ``check``.
    reason : str
        ``seeded``, or the publication that set a number of the model.
    """

    use: str
    reason: str


@cache
def citations_that_set() -> frozenset[str]:
    """Publications that a parameter, target or cause of the model comes from."""
    found: set[str] = set(_DECLARED)
    for package, folders in _TABLES:
        root = resources.files(package)
        for place in [root, *(root / folder for folder in folders)]:
            for item in place.iterdir():
                if item.name.endswith(".csv"):
                    rows = csv.DictReader(item.read_text(encoding="utf-8").splitlines())
                    for row in rows:
                        for column in ("source", "iiv_source", "iov_source"):
                            found |= set((row.get(column) or "").split(";"))
    return frozenset(name.strip() for name in found if name.strip())


@cache
def load_families() -> Mapping[str, tuple[str, str]]:
    """Family and kind of studies that share patients with others: ``same_patients, subgroup`` or ``pool``."""
    text = (resources.files(__package__) / "families.csv").read_text(encoding="utf-8")
    return {row["study"]: (row["family"], row["kind"]) for row in csv.DictReader(text.splitlines())}


@cache
def in_pools() -> frozenset[str]:
    """Studies whose patients are, or may be, in a pool that informs a fit: their mean is not unseen."""
    text = (resources.files(__package__) / "families.csv").read_text(encoding="utf-8")
    return frozenset(row["study"] for row in csv.DictReader(text.splitlines()) if row["in_pool"])


def assign(works: Iterable[Work]) -> dict[str, Assignment]:
    """Say which studies are kept.

    Parameters
    ----------
    works : iterable of Work
        All of them.

    Returns
    -------
    dict of str to Assignment
        By name. In each domain a third of all studies, rounded up, is kept, as far as so many may be.
    """
    found: dict[str, Assignment] = {}
    every = sorted(works, key=lambda work: work.name)
    # Studies of one publication, or with the same patients, stay together: half of it would tell of the other
    # half. A pool holds patients of many, and checks nothing.
    setting = {
        load_families()[work.name][0]
        for work in every
        if work.name in load_families() and work.citations & citations_that_set()
    }
    for domain in sorted({work.domain for work in every}):
        own = [work for work in every if work.domain == domain]
        free = []
        for work in own:
            setters = sorted(work.citations & citations_that_set())
            family, kind = load_families().get(work.name, ("", "same_patients"))
            if setters:
                found[work.name] = Assignment("calibration", f"{setters[0]} set a number of the model")
            elif kind == "pool":
                found[work.name] = Assignment("calibration", "pools patients of other studies")
            elif family in setting:
                found[work.name] = Assignment("calibration", f"shares patients with others of {family}")
            else:
                free.append(work)
        free.sort(key=_lot)
        wanted = -(-len(own) // _ONE_OF)
        # Who shares a lot with the last that is kept is kept too.
        last = _lot(free[wanted - 1]) if wanted <= len(free) else ""
        for place, work in enumerate(free):
            kept = place < wanted or _lot(work) == last
            found[work.name] = Assignment("check" if kept else "calibration", "seeded")
    return found


def _lot(work: Work) -> str:
    """The lot of a study, from the publication: the same for all its files."""
    family, kind = load_families().get(work.name, ("", ""))
    key = "|".join((SEED, *((family,) if kind else sorted(work.citations))))
    return hashlib.blake2b(key.encode("utf-8"), digest_size=8).hexdigest()


def marked(text: str, use: str) -> str:
    """Text of a study file with all its rows marked for a use; rows held out elsewhere stay so."""
    return _USE.sub(f"use: {use}", text)


@cache
def load_split() -> Mapping[str, Assignment]:
    """The shipped assignment, by study.

    Raises
    ------
    EvidenceError
        If the table is missing.
    """
    table = resources.files(__package__) / _FILE
    if not table.is_file():
        raise EvidenceError(f"{_FILE} is missing; make it with 'ketasim calibrate split --write'.")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {row["study"]: Assignment(row["use"], row["reason"]) for row in rows}


def write_split(works: Iterable[Work], folder: Path) -> Path:
    """Write the assignment of works as ``split.csv``."""
    every = sorted(works, key=lambda work: (work.domain, work.name))
    found = assign(every)
    path = folder / _FILE
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_HEADS)
        rows.writerows(
            (work.name, work.domain, found[work.name].use, found[work.name].reason) for work in every
        )
    return path


def shipped_works_of() -> list[Work]:
    """All shipped studies and experiments, as far as the rule sees them."""
    from ketasim.trials.works import load_work, shipped_works

    found = []
    for name in shipped_works():
        work = load_work(name)
        cited = {work.citation, *(row.citation for row in work.observations)}
        keys = frozenset(key.strip() for text in cited for key in text.split(";"))
        found.append(Work(work.id, getattr(work, "domain", "clinical"), keys))
    return found


def mark_files() -> int:
    """Mark the rows of all shipped files for what their study is for; return how many files changed."""
    found = assign(shipped_works_of())
    changed = 0
    for folder in ("studies", "experiments"):
        for item in (resources.files("ketasim") / folder).iterdir():
            if not item.name.endswith(".yaml"):
                continue
            text = item.read_text(encoding="utf-8")
            new = marked(text, found[item.name.removesuffix(".yaml")].use)
            if new != text:
                with resources.as_file(item) as path:
                    path.write_text(new, encoding="utf-8")
                changed += 1
    return changed
