"""A small language model: which character comes next, after those before it.

It knows nothing of federations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH = 12  # the characters that it looks back on


class Net(nn.Sequential):
    """Bengio et al. 2003: characters are vectors, a hidden layer; 22,720 parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Embedding(128, 16),
            nn.Flatten(),
            nn.Linear(LENGTH * 16, 64),
            nn.ReLU(),
            nn.Linear(64, 128),
        )


def fit(
    net: nn.Module,
    before: Tensor,
    after: Tensor,
    *,
    lr: float,
    batch: int,
    steps: int,
    seed: int,
) -> float:
    """Minimise the cross-entropy by plain SGD, in place; returns the mean loss."""
    weights, total = list(net.parameters()), torch.zeros(())
    draw = torch.Generator().manual_seed(seed)
    for rows in torch.randint(len(after), (steps, batch), generator=draw):
        loss = F.cross_entropy(net(before[rows]), after[rows])
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=lr)
            total += loss
    return total.item() / steps


@torch.inference_mode()
def accuracy(net: nn.Module, before: Tensor, after: Tensor) -> float:
    """The part of the characters that it guesses."""
    chunks = zip(before.split(4096), after.split(4096), strict=True)
    return sum((net(b).argmax(dim=1) == a).sum().item() for b, a in chunks) / len(after)


@torch.inference_mode()
def speak(net: nn.Module, begin: str, *, characters: int, seed: int = 0) -> str:
    """Go on where `begin` ends, a character at a time, each drawn by its chance."""
    text, draw = begin.rjust(LENGTH), torch.Generator().manual_seed(seed)
    for _ in range(characters):
        codes = torch.tensor([list(text[-LENGTH:].encode("ascii", "replace"))])
        chances = (net(codes)[0] / 0.5).softmax(dim=0)  # sharpened: the likely likelier
        text += chr(torch.multinomial(chances, 1, generator=draw).item())
    return text.lstrip()
