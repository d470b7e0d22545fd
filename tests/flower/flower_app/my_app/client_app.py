"""What a SuperNode does when a message comes."""

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from my_app.data import load_data
from my_app.task import Net, accuracy, fit

torch.set_num_threads(1)
app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    net, config = Net(), context.run_config
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    node = context.node_config["partition-id"]
    images, labels = load_data(config["parts"], node, "train")
    loss = fit(
        net,
        images,
        labels,
        epochs=config["local-epochs"],
        batch=config["batch-size"],
        lr=config["learning-rate"],
        seed=hash((config["seed"], message.content["config"]["server-round"], node)) % 2**31,
    )
    metrics = MetricRecord({"loss": loss, "num-examples": len(labels)})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    images, labels = load_data(context.run_config["parts"], context.node_config["partition-id"], "test")
    metrics = MetricRecord({"accuracy": accuracy(net, images, labels), "num-examples": len(labels)})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
