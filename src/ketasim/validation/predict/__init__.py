"""What the model says of published rows: the distribution of each for a sample of its size."""

from __future__ import annotations

from ketasim.validation.predict.predicted import Interval, Predicted
from ketasim.validation.predict.work import predict_work, stage_of
from ketasim.validation.predict.works import predict_works

__all__ = ["Interval", "Predicted", "predict_work", "predict_works", "stage_of"]
