"""One file per method; each reads as its paper.

Doesn't know where nodes are or how bytes move.
"""

from atoll.algorithms._evaluation import Evaluation, evaluate
from atoll.algorithms._fedavg import FedAvg
from atoll.algorithms._fedavgm import FedAvgM
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.algorithms._survey import Survey
from atoll.algorithms._survey_results import Histogram, Quantiles, Summary

__all__ = [
    "Evaluation",
    "FedAvg",
    "FedAvgM",
    "Histogram",
    "Quantiles",
    "Rule",
    "Summary",
    "Survey",
    "WeightedMean",
    "evaluate",
]
