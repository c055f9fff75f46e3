"""The folder of a run: manifest, resolved study, outcomes by chunk, tables."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import ParameterSet
from ketasim.trials.columns import OUTCOMES
from ketasim.trials.study import Study

__all__ = ["FORMATS", "Format", "RunFolder", "fingerprint", "parse_format", "versions"]

Format = Literal["parquet", "csv"]

#: Kinds of table that outcomes can be written as.
FORMATS: tuple[Format, ...] = ("parquet", "csv")

#: A folder that Ketasim made holds this file; only such a folder is ever replaced.
MANIFEST = "manifest.json"

#: How the columns of outcomes that are not text are read.
_NUMBERS: dict[str, tuple[type[int] | type[float], Literal["int64", "float64"]]] = {
    "replicate": (int, "int64"),
    "subject": (int, "int64"),
    "time_h": (float, "float64"),
    "value": (float, "float64"),
}


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
    names = ("ketasim", "numpy", "scipy", "sympy", "pandas", "xarray")
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
    def create(cls, path: str | Path, *, force: bool = False, table_format: Format = "parquet") -> RunFolder:
        """Make the folder.

        Raises
        ------
        StudyError
            If it exists and ``force`` is not given, holds something else than a run, or
            cannot be written.
        """
        path = Path(path)
        try:
            cls._make(path, force)
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
    def _make(cls, path: Path, force: bool) -> None:
        if path.exists():
            if not path.is_dir():
                raise StudyError(f"--out {path}: this is a file and not a folder; choose another name.")
            if not force:
                raise StudyError(f"--out {path}: this folder exists; choose another name, or add --force.")
            if any(path.iterdir()) and not _is_run(path):
                raise StudyError(
                    f"--out {path}: this is not a run folder, so it is not replaced; choose another name."
                )
            # What a link points to, and not the link, is the folder.
            shutil.rmtree(path.resolve())
        (path / "outcomes").mkdir(parents=True)

    def write_manifest(self, content: dict[str, Any]) -> None:
        """Write the manifest, whole or not at all."""
        draft = self.path / (MANIFEST + ".part")
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.path / MANIFEST)

    def read_manifest(self) -> dict[str, Any]:
        """The manifest as it stands."""
        content: dict[str, Any] = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        return content

    def write_study(self, study: Study) -> None:
        """Write the resolved study."""
        (self.path / "study.yaml").write_text(study.dump(), encoding="utf-8")

    def write_part(self, number: int, outcomes: pd.DataFrame) -> None:
        """Write the outcomes of one chunk, whole or not at all."""
        name = f"part-{number:05d}.{self.table_format}"
        draft, final = self.path / "outcomes" / f".{name}", self.path / "outcomes" / name
        if self.table_format == "parquet":
            outcomes.to_parquet(draft, index=False)
        else:
            outcomes.to_csv(draft, index=False)
        draft.replace(final)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write one of the summary tables as CSV."""
        table.to_csv(self.path / f"{name}.csv", index=False, float_format="%.10g", na_rep="")

    def read_outcomes(self) -> pd.DataFrame:
        """All outcomes that were written, in the order of their parts."""
        parts = sorted((self.path / "outcomes").glob(f"part-*.{self.table_format}"))
        read = pd.read_parquet if self.table_format == "parquet" else _read_csv
        frames = [read(part) for part in parts]
        # A part in which nobody could be simulated has no types of its own.
        frames = [frame for frame in frames if len(frame)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(OUTCOMES))


def _read_csv(path: Path) -> pd.DataFrame:
    """Outcomes as they were written: names stay text, even an arm called ``none`` or ``12``."""
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)
    # Python's own reading of a number gives back the last bit too.
    numbers = {
        name: pd.Series([read(text) if text else math.nan for text in texts[name]], dtype=kind)
        for name, (read, kind) in _NUMBERS.items()
    }
    return texts.assign(**numbers)


def _is_run(path: Path) -> bool:
    """Tell whether a folder's manifest is one of ours: other programs have manifests too."""
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"study", "study_hash", "parameter_hash"} <= content.keys()
