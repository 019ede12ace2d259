"""What each command does with an export, a data set or a finished run, as a function: no command line, nothing printed."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.jobs.board_log import read_log as read_log
    from kerasseg.jobs.comparison import compare as compare
    from kerasseg.jobs.conversion import convert as convert
    from kerasseg.jobs.delivery import export as export
    from kerasseg.jobs.evaluation import evaluate as evaluate
    from kerasseg.jobs.examination import inspect as inspect
    from kerasseg.jobs.importing import prepare as prepare
    from kerasseg.jobs.loading import load_predictor as load_predictor
    from kerasseg.jobs.prediction import predict as predict
    from kerasseg.jobs.publication import publish as publish
    from kerasseg.jobs.reporting import report as report
    from kerasseg.jobs.settings import CheckSettings as CheckSettings
    from kerasseg.jobs.settings import CompareSettings as CompareSettings
    from kerasseg.jobs.settings import ConversionSettings as ConversionSettings
    from kerasseg.jobs.settings import ExportSettings as ExportSettings
    from kerasseg.jobs.settings import PredictSettings as PredictSettings
    from kerasseg.jobs.settings import PrepareSettings as PrepareSettings
    from kerasseg.jobs.settings import WebSettings as WebSettings
    from kerasseg.jobs.verification import check as check

__all__ = [
    "CheckSettings",
    "CompareSettings",
    "ConversionSettings",
    "ExportSettings",
    "PredictSettings",
    "PrepareSettings",
    "WebSettings",
    "check",
    "compare",
    "convert",
    "evaluate",
    "export",
    "inspect",
    "load_predictor",
    "predict",
    "prepare",
    "publish",
    "read_log",
    "report",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "board_log": ["read_log"],
        "comparison": ["compare"],
        "conversion": ["convert"],
        "delivery": ["export"],
        "evaluation": ["evaluate"],
        "examination": ["inspect"],
        "importing": ["prepare"],
        "loading": ["load_predictor"],
        "prediction": ["predict"],
        "publication": ["publish"],
        "reporting": ["report"],
        "settings": [
            "CheckSettings",
            "CompareSettings",
            "ConversionSettings",
            "ExportSettings",
            "PredictSettings",
            "PrepareSettings",
            "WebSettings",
        ],
        "verification": ["check"],
    },
)
