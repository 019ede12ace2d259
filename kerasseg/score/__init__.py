"""One protocol of scores for Keras, LiteRT and TFLite Micro: a callable from images to class ids."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.score.evaluation import evaluate as evaluate
    from kerasseg.score.evaluation import evaluate_together as evaluate_together
    from kerasseg.score.metrics import Scores as Scores

__all__ = ["Scores", "evaluate", "evaluate_together"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"evaluation": ["evaluate", "evaluate_together"], "metrics": ["Scores"]}
)
