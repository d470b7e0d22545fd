"""What a survey found, as numbers to be shown and arrays to be kept.

It knows nothing of federations.
"""

from collections.abc import Mapping

import numpy as np
from atoll import Arrays
from atoll.algorithms import Histogram, Quantiles, Summary


def metrics(
    summaries: Mapping[str, Summary], quantiles: Mapping[str, Quantiles]
) -> dict[str, float]:
    """A line of numbers for each column; `atoll show @latest` has them all."""
    told: dict[str, float] = {}
    for name, found in summaries.items():
        told[f"{name}_sites"], told[f"{name}_count"] = found.sites, found.count
        told[f"{name}_mean"], told[f"{name}_std"] = found.mean, found.std
        for at, value in zip(quantiles[name].at, quantiles[name].values, strict=True):
            told[f"{name}_q{100 * at:g}"] = value
    return told


def results(
    summaries: Mapping[str, Summary],
    histograms: Mapping[str, Histogram],
    quantiles: Mapping[str, Quantiles],
) -> dict[str, Arrays]:
    """All of it as arrays by name, which `atoll pull` writes to a file."""
    kept: dict[str, np.ndarray] = {}
    for name, found in summaries.items():
        kept[f"{name}.mean"] = np.array(found.mean)
        kept[f"{name}.std"] = np.array(found.std)
        kept[f"{name}.edges"] = histograms[name].edges
        kept[f"{name}.counts"] = histograms[name].counts.astype(float)
        kept[f"{name}.quantiles"] = quantiles[name].values
        kept[f"{name}.error"] = quantiles[name].error
    return {"model": Arrays(kept)}
