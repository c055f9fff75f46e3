"""Random numbers that depend on their name and on nothing else.

A stream is found by a key such as study, replicate, subject and purpose. The
numbers of one patient are therefore the same in any order, on any number of
workers and whoever the neighbours are.
"""

from __future__ import annotations

import hashlib
from operator import index
from typing import SupportsIndex

import numpy as np

from ketasim.errors import ModelError

__all__ = ["stream"]


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
    if isinstance(seed, str):
        raise ModelError(f"random stream: the seed must be a whole number, not {seed!r}.")
    digest = hashlib.blake2b(b"".join(map(_encode, (seed, *key))), digest_size=16).digest()
    words = np.array([int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")], np.uint64)
    return np.random.Generator(np.random.Philox(key=words))
