"""What is asked, and what is kept of the answers."""

import atoll
from atoll.algorithms import Survey

from __package__.report import metrics, results

app = atoll.ServerApp()


@app.main
def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> None:
    config = ctx.config
    schedule = atoll.Schedule(fraction=config.fraction)
    for rnd in ctx.rounds(config.rounds, initial={}):
        survey = Survey(fleet, config.columns, schedule=schedule)
        summaries = survey.summaries()
        histograms = survey.histograms(bins=config.bins)
        quantiles = survey.quantiles(config.quantiles, tolerance=config.tolerance)
        rnd.commit(
            results(summaries, histograms, quantiles),
            metrics=metrics(summaries, quantiles),
        )
