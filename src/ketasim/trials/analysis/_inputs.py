"""Checks of the arms that analyses of a comparison share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import read_codes

__all__ = ["read_arms"]


def read_arms(group: ArrayLike, n: int) -> NDArray[np.int64]:
    """Give the arm of each of n persons as integers, 0 the comparator.

    Raises
    ------
    StudyError
        If the shape is wrong, codes are not integers from 0 on, or nobody is in arm 0 or in another arm.
    """
    arm = read_codes("group", group)
    if arm.shape != (n,):
        raise StudyError(f"group: shape {arm.shape}, but there are {n} persons. Give one code a person.")
    codes = np.unique(arm)
    if len(codes) < 2 or codes[0] != 0:
        raise StudyError(f"group: arms {codes.tolist()}; there must be an arm 0 and another one.")
    return arm
