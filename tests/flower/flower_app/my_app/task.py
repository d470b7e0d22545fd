"""The network, how it learns, and how often it is right.

Doesn't know who trains it.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    """Two convolutions and a linear layer, for pictures of 28 x 28."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.out = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return self.out(x.flatten(1))


def fresh(seed):
    """The network that a run begins with."""
    torch.manual_seed(seed)
    return Net()


def fit(net, images, labels, *, epochs, batch, lr, seed):
    """Train it in place by SGD; returns the mean loss."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    shuffle, total = torch.Generator().manual_seed(seed), 0.0
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=shuffle).split(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return total / (epochs * len(labels))


def accuracy(net, images, labels):
    """The part of the pictures that it knows."""
    net.eval()
    with torch.inference_mode():
        return (net(images).argmax(dim=1) == labels).float().mean().item()
