"""A node's pictures: its file in the folder of parts.

Doesn't know how they were dealt.
"""

import numpy as np
import torch


def load_data(parts, partition, split):
    """Images, shape (rows, 1, 28, 28), and labels, shape (rows,), of one node."""
    with np.load(f"{parts}/{partition}-{split}.npz") as part:
        return torch.from_numpy(part["image"]).unsqueeze(1), torch.from_numpy(part["label"])
