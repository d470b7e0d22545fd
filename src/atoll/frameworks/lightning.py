"""Models in lightning: a LightningModule is a torch module, and its arrays are those of one.

Doesn't know what the module learns. `quiet_trainer` is what a node needs of lightning's Trainer: it trains, and no more.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

from atoll.frameworks.torch import get_arrays, set_arrays

try:
    from lightning.pytorch import Trainer
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "lightning":
        raise
    raise ModuleNotFoundError(
        "atoll.lightning needs lightning; install it: pip install 'atoll[lightning]'", name="lightning"
    ) from None

__all__ = ["get_arrays", "quiet_trainer", "set_arrays"]

_SILENT = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "devices": 1,
}


def quiet_trainer(**options: Any) -> Trainer:
    """A Trainer that writes no files, draws no bars and greets nobody: a node makes one for each task.

    Options are the Trainer's own and win over that. What the module logs stands in `callback_metrics`, as ever.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for said in (
        ".*does not have many workers.*",
        ".*number of training batches.*",
        ".*no `val_dataloader`.*",
        r".*isinstance\(treespec",
    ):
        warnings.filterwarnings("ignore", said)
    return Trainer(**{**_SILENT, **options})
