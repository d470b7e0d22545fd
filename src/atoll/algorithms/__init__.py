"""One file per method; each reads as its paper.

Doesn't know where nodes are or how bytes move.
"""

from atoll.algorithms._fedavg import FedAvg
from atoll.algorithms._fedavgm import FedAvgM
from atoll.algorithms._rule import Rule, WeightedMean

__all__ = ["FedAvg", "FedAvgM", "Rule", "WeightedMean"]
