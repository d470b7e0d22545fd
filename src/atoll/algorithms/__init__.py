"""One file per method; each reads as its paper.

Doesn't know where nodes are or how bytes move.
"""

from atoll.algorithms._bagging import Bagging
from atoll.algorithms._bounding import NormBounding
from atoll.algorithms._bucketing import Bucketing
from atoll.algorithms._bulyan import Bulyan
from atoll.algorithms._centered import CenteredClipping
from atoll.algorithms._collects import Collects
from atoll.algorithms._cyclic import Cyclic
from atoll.algorithms._ditto import Ditto
from atoll.algorithms._evaluation import Evaluation, evaluate
from atoll.algorithms._fedadagrad import FedAdagrad
from atoll.algorithms._fedadam import FedAdam
from atoll.algorithms._fedavg import FedAvg
from atoll.algorithms._fedavgm import FedAvgM
from atoll.algorithms._fedbn import FedBN
from atoll.algorithms._fedbuff import FedBuff
from atoll.algorithms._feddyn import FedDyn
from atoll.algorithms._fednova import FedNova
from atoll.algorithms._fedprox import FedProx
from atoll.algorithms._fedyogi import FedYogi
from atoll.algorithms._geometric import GeometricMedian
from atoll.algorithms._ifca import IFCA
from atoll.algorithms._kmeans import KMeans
from atoll.algorithms._krum import Krum
from atoll.algorithms._logistic import LogisticRegression
from atoll.algorithms._median import CoordinateMedian
from atoll.algorithms._mixing import NearestNeighborMixing
from atoll.algorithms._multikrum import MultiKrum
from atoll.algorithms._qfedavg import QFedAvg
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.algorithms._scaffold import Scaffold
from atoll.algorithms._survey import Survey
from atoll.algorithms._survey_results import Histogram, Quantiles, Summary
from atoll.algorithms._trimmed import TrimmedMean

__all__ = [
    "IFCA",
    "Bagging",
    "Bucketing",
    "Bulyan",
    "CenteredClipping",
    "Collects",
    "CoordinateMedian",
    "Cyclic",
    "Ditto",
    "Evaluation",
    "FedAdagrad",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedBN",
    "FedBuff",
    "FedDyn",
    "FedNova",
    "FedProx",
    "FedYogi",
    "GeometricMedian",
    "Histogram",
    "KMeans",
    "Krum",
    "LogisticRegression",
    "MultiKrum",
    "NearestNeighborMixing",
    "NormBounding",
    "QFedAvg",
    "Quantiles",
    "Rule",
    "Scaffold",
    "Summary",
    "Survey",
    "TrimmedMean",
    "WeightedMean",
    "evaluate",
]
