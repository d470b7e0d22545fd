"""A small network as a LightningModule: what it computes, its loss, its optimizer.

It knows nothing of federations.
"""

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(lightning.LightningModule):
    """784 pixels, 64 hidden units, 10 digits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )
        self.lr = 0.1

    def forward(self, images: Tensor) -> Tensor:
        """Each digit's score, shape (rows, 10), of images, shape (rows, 28, 28)."""
        return self.layers(images)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        correct = (self(batch[0]).argmax(dim=1) == batch[1]).float().mean()
        self.log("accuracy", correct)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
