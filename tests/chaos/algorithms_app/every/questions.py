"""What is asked where nothing is trained: surveys, and what a model made of their findings is worth.

Before the rounds, in them and after them; doesn't know who is killed meanwhile.
"""

import numpy as np

from atoll import Arrays, Schedule
from atoll.algorithms import Survey, evaluate
from every.local import begins


def all_answers(fleet, ctx):
    """The run: every scope that a question can have, each building on the findings of the one before."""
    first, _ = answers(fleet, ctx, begins(ctx.config.floats), "age", "dose")
    loop = ctx.rounds(ctx.config.rounds, initial={"model": Arrays(first)})
    for rnd in loop:
        found, means = answers(fleet, ctx, rnd.state["model"], "age", "income")
        rnd.commit({"model": Arrays(found)}, metrics=means)
    last, _ = answers(fleet, ctx, loop.state["model"], "income", "dose")
    return {"model": Arrays(last), "first": Arrays(first)}


def answers(fleet, ctx, before, *columns):
    """All that is found out about the columns and the model, as arrays by name, with the model that follows; and the means."""
    survey = Survey(fleet, columns)
    found = {}
    for name, summary in survey.summaries().items():
        found[f"{name}.counts"] = np.array([summary.sites, summary.count, summary.missing])
        found[f"{name}.moments"] = np.array([summary.mean, summary.squares, summary.minimum, summary.maximum])
    for name, histogram in survey.histograms(bins=7).items():
        found[f"{name}.edges"], found[f"{name}.bins"] = histogram.edges, histogram.counts
    for name, quantiles in survey.quantiles(
        [0.05, 0.5, 0.8], tolerance=ctx.config.tolerance, bins=16
    ).items():
        found[f"{name}.quantiles"], found[f"{name}.errors"] = quantiles.values, quantiles.error
    found["answered"] = np.array([node in survey.nodes for node in fleet.nodes])
    found["failed"] = np.array([failure.index for failure in survey.failures], "i8")
    body = before["body"] + found[f"{columns[0]}.quantiles"][1].astype("f4") / 100
    evaluation = evaluate(fleet, {"body": body}, schedule=Schedule(minimum=len(fleet.nodes)))
    found["losses"] = np.array([node.metrics["loss"] for node in evaluation.nodes.values()])
    found["loss"] = np.array(evaluation.metrics["loss"])
    return {**found, "body": body}, evaluation.metrics
