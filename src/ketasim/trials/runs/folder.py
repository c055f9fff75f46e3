"""The folder of a run: manifest, resolved study, outcomes by chunk, tables."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import ParameterSet
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs.outcomes import Outcomes, joined_frame, plain, read_part
from ketasim.trials.study import Study

__all__ = ["FORMATS", "KINDS", "Format", "RunFolder", "fingerprint", "parse_format", "versions"]

Format = Literal["parquet", "csv"]

#: Kinds of table that outcomes can be written as.
FORMATS: tuple[Format, ...] = ("parquet", "csv")

#: A folder that Ketasim made holds this file; only such a folder is ever replaced.
MANIFEST = "manifest.json"

#: Tables of a run, each in parts; the first is written last.
KINDS = ("outcomes", "patients", "events")

_DRAFT = MANIFEST + ".part"
_PART = re.compile(r"part-(\d+)")


def parse_format(text: str) -> Format:
    """Read the name of a table format.

    Raises
    ------
    StudyError
        If there is no such format.
    """
    for known in FORMATS:
        if text == known:
            return known
    raise StudyError(f"--format: {unknown_name('format', text, FORMATS)}")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    names = ("ketasim", "numpy", "scipy", "sympy", "pandas", "xarray", "llvmlite", "numba", "pyarrow")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def fingerprint(value: Study | ParameterSet) -> str:
    """A short hash of a study or a parameter set."""
    if isinstance(value, ParameterSet):
        text = json.dumps({name: value[name].value for name in sorted(value)})
    else:
        text = value.dump()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RunFolder:
    """Writes a run to disk as it goes, so that what is finished is kept.

    Parameters
    ----------
    path : Path
        The folder.
    table_format : str
        ``parquet`` or ``csv`` for the outcomes.
    """

    path: Path
    table_format: Format = "parquet"

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        force: bool = False,
        table_format: Format = "parquet",
        about: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """Make the folder.

        Parameters
        ----------
        path : str or Path
            Where.
        force : bool
            Whether the folder of another run may be replaced.
        table_format : str
            ``parquet`` or ``csv``.
        about : mapping, optional
            First manifest: with it the folder is one of a run from the start, whenever the run is killed.

        Raises
        ------
        StudyError
            If it exists and ``force`` is not given, holds something else than a run, or
            cannot be written.
        """
        path = Path(path)
        try:
            cls._make(path, force, about)
        except (OSError, ValueError) as error:
            # A fault of the path itself, such as a name that is too long, is a fault of the place too.
            if isinstance(error, StudyError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise StudyError(
                f"--out {path}: the folder cannot be written ({reason}); choose another place."
            ) from error
        return cls(path, table_format)

    @classmethod
    def reopen(cls, path: str | Path, plan: dict[str, Any]) -> RunFolder:
        """Open the folder of a run that did not come to its end.

        Parameters
        ----------
        path : str or Path
            The folder.
        plan : dict
            What must be as it was, by its name in the manifest.

        Raises
        ------
        StudyError
            If there is no such run, or it was begun with something else.
        """
        path = Path(path)
        if not _is_run(path):
            raise StudyError(
                f"--resume {path}: there is no run of Ketasim here; leave --resume out to begin one."
            )
        before = cls(path).read_manifest()
        for name, value in plan.items():
            _require_same(path, name, before.get(name), value)
        folder = cls(path, parse_format(before["format"]))
        try:
            for kind in KINDS:
                (path / kind).mkdir(exist_ok=True)
        except OSError as error:
            raise _not_written(path, error) from error
        return folder

    @classmethod
    def _make(cls, path: Path, force: bool, about: Mapping[str, Any] | None) -> None:
        if path.exists():
            if not path.is_dir():
                raise StudyError(f"--out {path}: this is a file and not a folder; choose another name.")
            if not force:
                raise StudyError(f"--out {path}: this folder exists; choose another name, or add --force.")
            if not {item.name for item in path.iterdir()} <= {_DRAFT} and not _is_run(path):
                raise StudyError(
                    f"--out {path}: this is not a run folder, so it is not replaced; choose another name."
                )
            _empty(path)
        path.mkdir(parents=True, exist_ok=True)
        if about is not None:
            cls(path).write_manifest(about)
        for kind in KINDS:
            (path / kind).mkdir()

    def begun_with(self, name: str, default: Any) -> Any:
        """What the manifest of a run says; the default where there is none."""
        return self.read_manifest().get(name, default) if _is_run(self.path) else default

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write the manifest, whole or not at all.

        Raises
        ------
        StudyError
            If the disk is full, or the folder cannot be written any more.
        """
        text = json.dumps(dict(content), indent=2) + "\n"
        self._write_whole(
            self.path / MANIFEST, self.path / _DRAFT, lambda draft: draft.write_text(text, encoding="utf-8")
        )

    def read_manifest(self) -> dict[str, Any]:
        """The manifest as it stands."""
        content: dict[str, Any] = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        return content

    def write_study(self, study: Study) -> None:
        """Write the resolved study.

        Raises
        ------
        StudyError
            If the disk is full, or the folder cannot be written any more.
        """
        text = study.dump()
        self._write_file("study.yaml", lambda draft: draft.write_text(text, encoding="utf-8"))

    def write_part(self, number: int, tables: Tables) -> None:
        """Write the tables of one chunk, each whole or not at all; the outcomes last.

        Raises
        ------
        StudyError
            If the disk is full, or the folder cannot be written any more.
        """
        for kind in reversed(KINDS):
            table, final = getattr(tables, kind), self.part(kind, number)
            self._write_whole(final, _draft(final), partial(_write_part, table))

    def _write_file(self, name: str, write: Callable[[Path], object]) -> None:
        self._write_whole(self.path / name, _draft(self.path / name), write)

    def _write_whole(self, final: Path, draft: Path, write: Callable[[Path], object]) -> None:
        """Write a file beside its place, and put it there when it is on the disk."""
        try:
            write(draft)
            # Without this a power cut may leave the name of a file without its content.
            with draft.open("rb+") as written:
                os.fsync(written.fileno())
            draft.replace(final)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise _not_written(self.path, error) from error

    def part(self, kind: str, number: int) -> Path:
        """File of one table of one chunk."""
        return self.path / kind / f"part-{number:05d}.{self.table_format}"

    def finished(self, patients: Sequence[int]) -> set[int]:
        """Numbers of the chunks whose tables are all there, and whole.

        Parameters
        ----------
        patients : sequence of int
            Patients of each chunk.

        Returns
        -------
        set of int
        """
        files = {kind: set(self.parts(kind)) for kind in KINDS}
        return {
            number
            for number, count in enumerate(patients)
            if all(self.part(kind, number) in files[kind] for kind in KINDS) and self._is_whole(number, count)
        }

    def _is_whole(self, number: int, patients: int) -> bool:
        rows = {kind: _rows(self.part(kind, number)) for kind in KINDS}
        outcomes = rows["outcomes"] or 0
        return (
            rows["events"] is not None
            and rows["patients"] == patients
            and outcomes > 0
            and outcomes % patients == 0
        )

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write one of the summary tables as CSV, whole or not at all.

        Raises
        ------
        StudyError
            If the disk is full, or the folder cannot be written any more.
        """
        self._write_file(
            f"{name}.csv", lambda draft: table.to_csv(draft, index=False, float_format="%.10g", na_rep="")
        )

    def parts(self, kind: str) -> list[Path]:
        """Files of one table, in the order of their chunks."""
        found = {
            int(match[1]): path
            for path in (self.path / kind).glob(f"part-*.{self.table_format}")
            if (match := _PART.fullmatch(path.stem))
        }
        return [found[number] for number in sorted(found)]

    def outcomes(self) -> Outcomes:
        """All outcomes that were written; they stay on disk until they are looked at."""
        return Outcomes(self.parts("outcomes"))

    def table(self, kind: str) -> pd.DataFrame:
        """All rows of the patients or events that were written."""
        return joined_frame(read_part(path) for path in self.parts(kind))


def _write_part(table: pa.Table, path: Path) -> None:
    """Write a table as the ending of the path says."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, write_page_checksum=True)
    else:
        pa_csv.write_csv(plain(table), path)


def _draft(final: Path) -> Path:
    return final.with_name("." + final.name)


def _rows(path: Path) -> int | None:
    """Rows of a part; None if it is damaged, as a file may be that was copied or cut short."""
    try:
        if path.suffix == ".parquet":
            rows: int = pq.read_table(path, page_checksum_verification=True).num_rows
            return rows
        text = path.read_bytes()
    except (OSError, pa.ArrowException):
        return None
    # No text of a run holds a line break.
    return text.count(b"\n") - 1 if text.endswith(b"\n") else None


def _require_same(path: Path, name: str, before: Any, now: Any) -> None:
    """Refuse to go on with a run that was begun with something else."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        name = f"{name}: {changed[0]}"
        before, now = before.get(changed[0]), now.get(changed[0])
    raise StudyError(
        f"--resume {path}: this run was begun with {name} {before!r}, and now it is {now!r}; give the same, "
        "or begin a new run in another folder."
    )


def _empty(path: Path) -> None:
    """Remove what is in the folder of a run; the manifest last, so that it stays one if this is broken off.

    The folder itself stays: it may be a link, or a disk of its own.
    """
    for item in path.iterdir():
        if item.name != MANIFEST:
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            else:
                item.unlink()
    (path / MANIFEST).unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> StudyError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        reason = "the disk is full"
    return StudyError(
        f"--out {path}: a file could not be written ({reason}). The parts that are finished are kept: make "
        "room, and run the same command with --resume."
    )


def _is_run(path: Path) -> bool:
    """Tell whether a folder's manifest is one of ours: other programs have manifests too."""
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"study", "study_hash", "parameter_hash"} <= content.keys()
