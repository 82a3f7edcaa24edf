"""Continual learning in recurrent networks.

Ehret, Henning, Cervera, Meulemans, von Oswald & Grewe, "Continual learning in recurrent neural networks", ICLR 2021
(arXiv:2006.12109).

Methods against forgetting were made for feed-forward networks. Those that hold single weights in place find less and
less room in a recurrent one, whose same weights serve every time step, the more its tasks ask of its memory. A hypernet
that generates the recurrent network from the task does not hold its weights, only what it generates for earlier tasks.

Faithful.
    The target is a plain recurrent network (tanh); all of its weights are generated, chunk by chunk, from the embedding
    of the task, once for all time steps. Its loss is summed over the time steps that ask for an output, and later tasks
    are kept from changing what is generated for earlier ones. The recurrent matrix that is *generated* is drawn towards
    an orthogonal one. Two problems: in permuted copy, patterns of random bits are read and then written down in
    an order that is the task's; in split MNIST, the rows of an image are read one after the other. Copying has output
    layers of each task's own, for every method, since its inputs do not tell the tasks apart; split MNIST has one.
    Online EWC holds the plain network's weights by the diagonal of the empirical Fisher information.

Differs.
    The hypernet starts as this library's hypernets do, as in ``continual/task_conditioned``, and looks ahead. The
    publication's sequences of digits are pen strokes; rows of pixels stand in for them. The settings measured here have
    smaller networks and shorter training, and copy three bits at a time instead of seven; ``published`` is permuted
    copy with the published sizes. With patterns this short, nearly half of those to test are also among those to train.
    With one output layer only a hypernet is told the task: on split MNIST the plain network, and EWC with it, has to
    answer without, by whether a digit is odd. It has the hypernet's penalty on its recurrent matrix. ``beta`` (0.1 to
    1) and the strength of EWC (10 to 10,000) were chosen on validation data, for each setting.

Expected.
    Accuracy at the end in per cent, of bits in copying; mean and spread of three seeds, as in
    ``results/``. Published: single runs of the authors' code with 256 units.

    =======  ===========  ===========  ===========  ===========  ========================
    setting  hypernet     online EWC   fine-tuning  multitask    published: hypernet, EWC
    =======  ===========  ===========  ===========  ===========  ========================
    default  98.7 +- 0.1  76.3 +- 3.4  56.9 +- 2.4  98.1 +- 0.1  none
    copy     99.6 +- 0.3  84.4 +- 1.9  64.9 +- 1.5  96.5 +- 2.5  100.00, 98.66
    =======  ===========  ===========  ===========  ===========  ========================
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, final

from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab
from hyperdnn.lab import baselines, losses

RECURRENT = "rnn.weight_hh_l0"  # the matrix that is applied at every time step


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting of permuted copy."""

    seed: int = 0
    source: Literal["copy", "digits", "mnist"] = "copy"
    num_tasks: int = 5  # of copying; images are split into pairs of classes
    steps: int = 5  # length of a pattern to copy
    width: int = 7  # bits in each of its steps
    sizes: tuple[int, int, int] = (100_000, 1000, 1000)  # patterns to train, validate and test
    units: int = 256  # of the recurrent network
    hypernet: tuple[int, ...] = (50, 50)  # hidden widths of the network that generates it
    task_features: int = 32  # width of a task embedding
    chunk_features: int = 32  # width of a chunk embedding
    chunk: int = 2500  # numbers generated at a time
    beta: float = 10.0  # strength of the penalty for changing earlier tasks' weights
    orthogonal: float = 10.0  # strength of the penalty on the recurrent matrix
    elastic: float = 100.0  # strength of EWC
    fisher: int = 200  # samples of each task that EWC measures importance on
    train: lab.train.Settings = lab.train.Settings(iterations=20_000, batch_size=128, lr=5e-4, clip_norm=1.0)

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "beta", "orthogonal", "elastic")
        sizes = ("num_tasks", "steps", "width", "sizes", "units", "hypernet", "fisher")
        lab.config.check_least(self, 1, *sizes, "task_features", "chunk_features", "chunk")


@final
class Reader(nn.Module):
    """Reads a sequence, or an image row by row: ``(n, ..., steps, inputs)`` -> ``(n, steps, heads, outputs)``."""

    def __init__(self, inputs: int, units: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.heads = heads
        self.rnn = nn.RNN(inputs, units, batch_first=True)
        self.output = nn.Linear(units, heads * outputs)

    def forward(self, sequences: Tensor) -> Tensor:
        states, _ = self.rnn(sequences.flatten(1, -2))
        outputs: Tensor = self.output(states)
        return outputs.reshape(*outputs.shape[:-1], self.heads, -1)


def build_target(config: Config) -> Reader:
    """The network that learns the tasks."""
    tasks = data(config)
    own_outputs = config.source == "copy"  # nothing else tells which order is asked for
    outputs = tasks[0].classes or tasks[0].train.targets.shape[-1]
    return Reader(tasks[0].shape[-1], config.units, len(tasks) if own_outputs else 1, outputs)


def build(config: Config) -> hd.HyperDNN:
    """A hypernet from tasks to recurrent networks."""
    target = hd.Target(build_target(config))
    body = bodies.MLP(config.task_features + config.chunk_features, *config.hypernet)
    head = heads.ChunkedHead(body.hidden, target.layout, config.chunk)
    encoder = encoders.Table(len(data(config)), config.task_features)
    slots = encoders.Slots(head.slots, config.chunk_features)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head))


def build_plain(config: Config) -> baselines.Plain:
    """The same network without a hypernet."""
    return baselines.Plain(build_target(config))


def data(config: Config) -> list[lab.data.Task]:
    """The tasks in the order of learning."""
    if config.source == "copy":
        return lab.data.permuted_copy(
            tasks=config.num_tasks, steps=config.steps, width=config.width, sizes=config.sizes, seed=config.seed
        )
    return lab.data.split(lab.data.load(config.source))


def answers(outputs: Tensor, batch: lab.data.Batch) -> Tensor:
    """The outputs that are asked for: of the task's own layer, at the last steps."""
    own = outputs[..., batch.context if outputs.shape[-2] > 1 else 0, :]
    return own[:, -batch.targets.shape[1] :] if batch.targets.ndim > 1 else own[:, -1]


def task_loss(answers: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of a class, or of bits, summed over time steps; mean over samples and bits of a step."""
    if targets.ndim == 1:
        return F.cross_entropy(answers, targets)
    return F.binary_cross_entropy_with_logits(answers, targets) * targets.shape[1]


def orthogonality(weights: dict[str, Tensor], layout: hd.ParamLayout) -> Tensor:
    """How far the recurrent matrix is from an orthogonal one."""
    return losses.orthogonality(weights, layout.select(RECURRENT))


def step(model: hd.HyperDNN, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The task's loss, the penalty on the generated matrix, and one for moving the weights of earlier tasks."""
    config, weights = state.config, model.generate(batch.context)
    loss_task = task_loss(answers(model.call(weights, batch.inputs), batch), batch.targets)
    loss_matrix = orthogonality(weights, model.target.layout)
    loss = loss_task + config.orthogonal * loss_matrix
    if not state.memory:
        return {"loss": loss, "task": loss_task, "orthogonality": loss_matrix}
    loss_keep = lab.train.change_of_earlier_tasks(model, state, loss)
    return {
        "loss": loss + config.beta * loss_keep,
        "task": loss_task,
        "orthogonality": loss_matrix,
        "keep": loss_keep,
    }


def plain_step(model: baselines.Plain, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The same for a plain network, whose own weights are held in place where earlier tasks need them."""
    config, net = state.config, model.net
    loss_task = task_loss(answers(net(batch.inputs), batch), batch.targets)
    loss_matrix = orthogonality(dict(net.named_parameters()), hd.ParamLayout.of(net))
    loss_keep = losses.elastic_change(net, state.memory)
    loss = loss_task + config.orthogonal * loss_matrix + config.elastic * loss_keep
    return {"loss": loss, "task": loss_task, "orthogonality": loss_matrix, "keep": loss_keep}


def measure_importance(model: baselines.Plain, task: lab.data.Task, state: lab.train.State) -> None:
    """What the task just learnt needs of the weights."""
    samples = task.train[: state.config.fisher]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        one = lab.data.Batch(context=samples.context, inputs=outputs, targets=targets)
        return task_loss(answers(outputs, one), targets)

    state.memory = losses.remember_elastic(model.net, samples.inputs, samples.targets, loss, earlier=state.memory)


def evaluate(model: nn.Module, task: lab.data.Task) -> dict[str, float]:
    """The share of a task's test images, or of its bits, that are told correctly."""
    correct, count = 0, 0
    for batch in task.test.batches(1000):
        found = answers(model(batch.inputs, context=batch.context), batch)
        told = found.argmax(-1) if batch.targets.ndim == 1 else (found > 0).to(batch.targets.dtype)
        correct += int((told == batch.targets).sum())
        count += batch.targets.numel()
    return {"accuracy": correct / count}


RECIPE = lab.Recipe(
    summary="Learns sequence after sequence: a hypernet generates a recurrent network for each task.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=partial(lab.train.sequence, before_task=lab.train.keep_earlier_tasks),
    reference=lab.Reference(
        title="Continual learning in recurrent neural networks",
        authors="Ehret, Henning, Cervera, Meulemans, von Oswald & Grewe",
        venue="ICLR",
        year=2021,
        url="https://arxiv.org/abs/2006.12109",
    ),
    claims=(
        lab.Claim(
            text="Reading split MNIST row by row, the hypernet ends with at least 95 % accuracy.",
            config="default",
            metric="hypernet/final_accuracy",
            at_least=0.95,
        ),
        lab.Claim(
            text="It forgets at most 2 points.",
            config="default",
            metric="hypernet/forgetting",
            at_most=0.02,
        ),
        lab.Claim(
            text="The recurrent network alone forgets.",
            config="default",
            metric="fine-tuning/final_accuracy",
            at_most=0.75,
        ),
        lab.Claim(
            text="On permuted copy the hypernet ends with at least 99 % of the bits.",
            config="copy",
            metric="hypernet/final_accuracy",
            at_least=0.99,
            published=100.00,
            source="mariacer/cl_in_rnns, sequential/copy README: chunked hypernetwork, 256 units",
        ),
        lab.Claim(
            text="The recurrent network alone forgets.",
            config="copy",
            metric="fine-tuning/final_accuracy",
            at_most=0.80,
        ),
        lab.Claim(
            text="Online EWC is at most as good as the hypernet.",
            config="copy",
            metric="online EWC/final_accuracy",
            minus="hypernet/final_accuracy",
            at_most=0.0,
            published=-1.34,
            source="mariacer/cl_in_rnns, sequential/copy README: online EWC 98.66, 256 units",
        ),
        lab.Claim(
            text="Online EWC forgets less than the network alone.",
            config="copy",
            metric="online EWC/final_accuracy",
            minus="fine-tuning/final_accuracy",
            at_least=0.0,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "online EWC": lab.Variant(
            build=build_plain, step=plain_step, loop=partial(lab.train.sequence, after_task=measure_importance)
        ),
        "fine-tuning": lab.Variant(build=build_plain, step=plain_step, loop=lab.train.sequence),
        "multitask": lab.Variant(loop=lab.train.joint),
    },
    figures=lab.report.continual_figures,
)
