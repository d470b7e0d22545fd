"""The data: `load` is the one function to swap for your own."""

from atoll.data import Table, samples


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all nodes; a node has its part in `ctx.data`.

    A Table is columns of equal length. Your own might come from

        table = pandas.read_csv("patients.csv")
        return {"train": Table(image=..., label=table["outcome"]), "test": ...}

    How the rows are dealt to nodes stands in pyproject.toml, under `partition`.
    """
    return samples.mnist()  # 28 x 28 pixels: 4,000 rows to train on, 1,000 to test
