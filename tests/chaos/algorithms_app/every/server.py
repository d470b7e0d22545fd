"""A server that runs the algorithm and the rule that the run's config names; without an algorithm it only asks."""

import atoll
from every.methods import METHODS, RULES
from every.questions import all_answers

app = atoll.ServerApp()


@app.main
def main(fleet, ctx):
    """Rounds in which every reply must count."""
    if not ctx.config.method:
        return all_answers(fleet, ctx)
    method = METHODS[ctx.config.method]
    rule = {} if ctx.config.rule == "WeightedMean" else {"rule": RULES[ctx.config.rule]()}
    return atoll.fit(
        method.make(**rule),
        fleet,
        initial=method.begin(ctx.config.floats),
        rounds=ctx.config.rounds,
        schedule=atoll.Schedule(minimum=1 if method.one else len(fleet.nodes)),
    )
