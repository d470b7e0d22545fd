"""Models of which a node keeps a part, or one of its own: what FedBN and Ditto share.

Doesn't know how they are trained.
"""

from __future__ import annotations

from atoll.algorithms._halves import other_state
from atoll.app import Context
from atoll.values import Arrays


def overlaid(model: Arrays, ctx: Context, name: str) -> Arrays:
    """The model with what the node keeps as `ctx.state[name]` in place of the arrays of those names.

    Raises `RunError` (`algorithm.other-state`) when that is of another model.
    """
    kept = ctx.state.get(name)
    if kept is None:
        return model
    same = isinstance(kept, Arrays) and kept.keys() <= model.keys()
    wrong = Arrays({n: model[n] for n in kept}).difference(kept) if same else "it has other names"
    if wrong:
        raise other_state(ctx, name, wrong)
    return Arrays({n: kept.get(n, a) for n, a in model.items()})
