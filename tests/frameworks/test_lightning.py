"""A LightningModule is a torch module to Atoll; a node's Trainer trains it and does no more."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from atoll.lightning import get_arrays, quiet_trainer, set_arrays  # noqa: E402


class Net(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def data() -> DataLoader:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(40, 4, generator=draw)
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=10)


def test_a_module_goes_and_comes_as_torchs_do() -> None:
    first, second = Net(), Net()
    set_arrays(second, get_arrays(first))
    assert list(get_arrays(second)) == ["layer.weight", "layer.bias"]
    assert get_arrays(second) == get_arrays(first)


def test_a_quiet_trainer_trains_says_nothing_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], recwarn
) -> None:
    monkeypatch.chdir(tmp_path)
    gc.collect()  # what other tests left unclosed is told here, and not while the trainer trains
    recwarn.clear()
    net, losses = Net(), []
    for _ in range(3):
        trainer = quiet_trainer(max_epochs=1, accelerator="cpu")
        trainer.fit(net, data())
        losses.append(trainer.callback_metrics["loss"].item())
    assert losses[2] < losses[1] < losses[0]
    assert os.listdir(tmp_path) == []
    assert "".join(capfd.readouterr()) == ""
    assert [str(w.message) for w in recwarn] == []


def test_options_are_the_trainers_and_win() -> None:
    assert quiet_trainer(max_epochs=7, accelerator="cpu").max_epochs == 7
    assert quiet_trainer(accelerator="cpu", enable_checkpointing=True).checkpoint_callback is not None
    assert logging.getLogger("lightning.pytorch").level == logging.WARNING
