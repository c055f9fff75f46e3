"""Random numbers that depend on their name and on nothing else.

A stream is found by a key such as study, replicate, subject and purpose. The
numbers of one patient are therefore the same in any order, on any number of
workers and whoever the neighbours are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError

__all__ = ["Places", "stream", "uniforms"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Numbers of 64 bits that one count of the generator gives.
_BLOCK = 4
#: Persons of one replicate are drawn in one go if no more numbers than this lie unused between them.
_GAP = 512


def _encode(part: str | SupportsIndex) -> bytes:
    """Write a key part so that no two different keys give the same bytes."""
    if isinstance(part, str):
        text, kind = part.encode("utf-8"), b"s"
    else:
        try:
            if isinstance(part, (bool, np.bool_)):
                raise TypeError
            text, kind = str(index(part)).encode("ascii"), b"i"
        except TypeError:
            raise ModelError(
                f"random stream: key part {part!r} is neither text nor a whole number; "
                "use names and whole numbers only, for example stream(1, 'daly2018', 0, 17, 'stress')."
            ) from None
    return kind + str(len(text)).encode("ascii") + b":" + text


def stream(seed: SupportsIndex, *key: str | SupportsIndex) -> np.random.Generator:
    """Return the random generator that belongs to a seed and a key.

    Parameters
    ----------
    seed : int
        The seed of the run.
    *key : str or int
        Names and numbers, for example study, replicate, subject, purpose.

    Returns
    -------
    numpy.random.Generator
        A counter-based generator (Philox 4x64) at its start. Its 128-bit key is
        the BLAKE2b hash of the seed and the parts, with their kinds and lengths.

    Raises
    ------
    ModelError
        If the seed or a part is neither text nor a whole number.

    Notes
    -----
    Philox: Salmon et al. 2011, Proc. SC11, 10.1145/2063384.2063405.
    """
    return np.random.Generator(np.random.Philox(key=_words(_hashed(seed, *key))))


def uniforms(
    seed: SupportsIndex,
    study: str,
    replicates: npt.ArrayLike,
    subjects: npt.ArrayLike,
    *purpose: str | SupportsIndex,
) -> FloatArray:
    """Draw one number a person.

    Parameters
    ----------
    seed : int
        The seed of the run.
    study : str
        Name of the study.
    replicates, subjects : array_like of int, shape (n,)
        Name the persons; subjects are counted from 1. In any order.
    *purpose : str or int
        What the numbers are for.

    Returns
    -------
    ndarray, shape (n,)
        Above 0 and below 1. A person's number depends on ``seed``, ``study``, his replicate,
        the purpose and his subject number, and on nothing else.

    Raises
    ------
    ModelError
        If the arrays differ in length, or a subject is below 1.

    Notes
    -----
    Subject ``i`` has place ``i - 1`` in ``stream(seed, study, replicate, *purpose)``.
    """
    return Places.of(replicates, subjects).uniforms(seed, study, *purpose)


@dataclass(frozen=True)
class Places:
    """Where persons stand in the streams of their replicates; found once, used for every purpose.

    Parameters
    ----------
    replicates : ndarray of int, shape (runs,)
        Replicate of each run of persons that is drawn in one go.
    first, count : ndarray of int, shape (runs,)
        First place of the run, from 0, and how many places it spans.
    row : ndarray of int, shape (n,)
        Row of each person in the runs laid end to end.
    """

    replicates: IntArray
    first: IntArray
    count: IntArray
    row: IntArray

    @classmethod
    def of(cls, replicates: npt.ArrayLike, subjects: npt.ArrayLike) -> Places:
        """Find the places of persons.

        Parameters
        ----------
        replicates, subjects : array_like of int, shape (n,)
            Name the persons, as for :func:`uniforms`.

        Raises
        ------
        ModelError
            If the arrays differ in length, or a subject is below 1.
        """
        replicate, subject = _whole("replicates", replicates), _whole("subjects", subjects)
        if replicate.shape != subject.shape:
            raise ModelError(
                f"random stream: {len(replicate)} replicates and {len(subject)} subjects; name each person "
                "by both."
            )
        if subject.size and int(subject.min()) < 1:
            raise ModelError(
                f"random stream: subject {int(subject.min())} is below 1; subjects are counted from 1."
            )
        order = np.lexsort((subject, replicate))
        replicate, place = replicate[order], subject[order] - 1
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(replicate) != 0) | (np.diff(place) > _GAP)
        begin = np.flatnonzero(new)
        last = np.append(begin[1:], len(order)) - 1 if len(order) else begin
        first = place[begin]
        count = place[last] - first + 1
        run = np.cumsum(new) - 1
        row = np.empty(len(order), dtype=np.int64)
        row[order] = place - first[run] + (np.cumsum(count) - count)[run]
        return cls(replicate[begin], first, count, row)

    def uniforms(self, seed: SupportsIndex, study: str, *purpose: str | SupportsIndex) -> FloatArray:
        """Draw one number a person; see :func:`ketasim.population.uniforms`."""
        return self.blocks(seed, study, 1, *purpose)[:, 0]

    def blocks(
        self, seed: SupportsIndex, study: str, width: int, *purpose: str | SupportsIndex
    ) -> FloatArray:
        """Draw several numbers a person.

        Parameters
        ----------
        seed, study, purpose
            As for :func:`ketasim.population.uniforms`.
        width : int
            How many numbers each person has in this stream; part of what names them.

        Returns
        -------
        ndarray, shape (n, width)
            Above 0 and below 1.
        """
        parts = [np.empty(0, dtype=np.uint64)]
        generator = np.random.Philox(key=_words(_hashed(seed, study)))
        prefix = hashlib.blake2b(_joined(seed, study), digest_size=16)
        tail = b"".join(map(_encode, purpose))
        runs = zip(self.replicates.tolist(), self.first.tolist(), self.count.tolist(), strict=True)
        for replicate, first, count in runs:
            digest = prefix.copy()
            digest.update(_encode(replicate) + tail)
            before = first * width % _BLOCK
            generator.state = _state(_words(digest.digest()), first * width // _BLOCK)
            parts.append(generator.random_raw(before + count * width)[before:])
        # The number of 64 bits is cut to the 52 that a fraction holds, and put into the middle of its cell.
        raw = np.concatenate(parts).reshape(-1, width)[self.row]
        return np.asarray(((raw >> np.uint64(12)) + 0.5) * 2.0**-52, dtype=np.float64)


def _state(words: npt.NDArray[np.uint64], block: int) -> Any:
    """State of a generator at the beginning of a block."""
    return {
        "bit_generator": "Philox",
        "state": {"counter": np.array([block, 0, 0, 0], dtype=np.uint64), "key": words},
        "buffer": np.zeros(_BLOCK, dtype=np.uint64),
        "buffer_pos": _BLOCK,
        "has_uint32": 0,
        "uinteger": 0,
    }


def _joined(seed: SupportsIndex, *key: str | SupportsIndex) -> bytes:
    if isinstance(seed, str):
        raise ModelError(f"random stream: the seed must be a whole number, not {seed!r}.")
    return b"".join(map(_encode, (seed, *key)))


def _hashed(seed: SupportsIndex, *key: str | SupportsIndex) -> bytes:
    return hashlib.blake2b(_joined(seed, *key), digest_size=16).digest()


def _words(digest: bytes) -> npt.NDArray[np.uint64]:
    """Key of a generator."""
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _whole(what: str, values: npt.ArrayLike) -> IntArray:
    """A row of whole numbers."""
    found = np.asarray(values)
    if found.ndim != 1 or not (found.dtype.kind in "iu" or found.size == 0):
        raise ModelError(f"random stream: {what} must be a row of whole numbers; got {values!r:.60}.")
    return found.astype(np.int64)
