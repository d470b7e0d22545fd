"""What the SuperLink runs: the first model, the strategy, and what becomes of the last model."""

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from my_app.task import fresh

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    result = FedAvg(fraction_train=1.0, fraction_evaluate=1.0).start(
        grid,
        ArrayRecord(fresh(config["seed"]).state_dict()),
        num_rounds=config["num-server-rounds"],
    )
    accuracies = [round["accuracy"] for round in result.evaluate_metrics_clientapp.values()]
    model = {name: tensor.numpy() for name, tensor in result.arrays.to_torch_state_dict().items()}
    np.savez(config["out"], accuracy=accuracies, **model)
