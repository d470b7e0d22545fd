"""What runs at each hospital, beside its patients' records."""

from typing import Any

import atoll
from atoll.algorithms import Survey

app = atoll.ClientApp()


@app.query
def survey(question: dict[str, Any], ctx: atoll.Context) -> atoll.Update:
    """Answer with counts and moments; the rows stay here."""
    return Survey.answer(question, ctx.data["patients"], minimum=ctx.config.minimum)
