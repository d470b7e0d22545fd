"""The client steps that the training benchmarks time: two networks, the tutorial's loop, and the quickest honest one.

Does not know any framework: torch only, so that the same file runs inside Atoll, inside a peer, or alone.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

PIXELS, CLASSES = 28, 10


def client_data(clients: int = 100, samples: int = 600, *, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Random 28x28 images and labels for each client, the same for a seed: (samples, 1, 28, 28) and (samples,)."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((clients, samples, 1, PIXELS, PIXELS), dtype=np.float32)
    labels = rng.integers(0, CLASSES, (clients, samples))
    return list(zip(torch.from_numpy(images), torch.from_numpy(labels), strict=True))


def mlp() -> nn.Module:
    """784-200-10, as in McMahan et al. 2017 (one hidden layer): 159,010 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS * PIXELS, 200), nn.ReLU(), nn.Linear(200, CLASSES))


def cnn() -> nn.Module:
    """Two 3x3 convolutions of 16 and 32 channels, each with a max-pool, and a linear head: 20,490 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, CLASSES),
    )  # fmt: skip


def naive_fit(net: nn.Module, x: Tensor, y: Tensor, lr: float, batch: int, epochs: int, seed: int) -> float:
    """Trains as a tutorial writes it: a TensorDataset, an optimizer, `loss.item()` each step. Gives the mean loss."""
    dataset, criterion = TensorDataset(x, y), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    shuffle = torch.Generator().manual_seed(seed)
    net.train()
    total = 0.0
    for _ in range(epochs):
        order = torch.randperm(len(dataset), generator=shuffle)
        for start in range(0, len(dataset), batch):
            images, labels = dataset[order[start : start + batch]]
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
    return total / (epochs * len(dataset))


def loader_fit(net: nn.Module, x: Tensor, y: Tensor, lr: float, batch: int, epochs: int, seed: int) -> float:
    """Trains as most tutorials write it: `naive_fit` fed by a DataLoader. Gives the mean loss."""
    loader = DataLoader(
        TensorDataset(x, y), batch, shuffle=True, generator=torch.Generator().manual_seed(seed)
    )
    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=lr)
    net.train()
    total = 0.0
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
    return total / (epochs * len(x))


def fast_fit(net: nn.Module, x: Tensor, y: Tensor, lr: float, batch: int, epochs: int, seed: int) -> float:
    """Trains by the same plain SGD steps, in the same order, with less around them. Gives the mean loss.

    One gather an epoch instead of one a batch; the step written out, since an optimizer object makes the MLP's
    steps a sixth slower (with momentum or weight decay, take one all the same); convolutions run channels-last.
    The same bits as `naive_fit` without convolutions; with them, another summation order inside oneDNN.
    """
    net.train().to(memory_format=torch.channels_last)  # 4-D weights only; the values stay what they were
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    shuffle = torch.Generator().manual_seed(seed)
    total = torch.zeros(())
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=shuffle)
        batches = zip(
            x.index_select(0, order).split(batch), y.index_select(0, order).split(batch), strict=True
        )
        for images, labels in batches:
            loss = F.cross_entropy(net(images), labels)
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.sub_(gradient, alpha=lr)
                total += loss * len(images)
    return total.item() / (epochs * len(x))
