"""The lab's loops in two processes, as torchrun starts them."""

import os
from types import SimpleNamespace

import pytest
import torch
from pair import main
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import losses
from hyperdnn.lab.data import Batch, Split, Task
from hyperdnn.lab.train import Log, Settings, State, TrainingError, fit, launch, sequence
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._gradients import mean_gradients, whole
from hyperdnn.lab.train._processes import Processes

SETTINGS = {"iterations": 4, "batch_size": 16, "lr": 0.05, "device": "cpu", "log_every": 2}


def _task(index):
    generator = torch.Generator().manual_seed(index)
    inputs = torch.randn(64, 1, 1, 4, generator=generator)
    part = Split(stored=inputs, targets=(inputs[:, 0, 0, index] > 0).long(), context=index)
    return Task(name=str(index), train=part, validation=part, test=part, classes=2)


TASKS = [_task(index) for index in range(2)]


def _state():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).float()
    model = hd.HyperDNN.for_tasks(net, 2, select="1.*", hidden=8, features=4).float()
    return State(model=model, config=SimpleNamespace(lookahead=True), generator=torch.Generator().manual_seed(0))


def _step(model, batch, state):
    loss = F.cross_entropy(model(batch.inputs, context=batch.context), batch.targets)
    if not state.memory:
        return {"loss": loss}
    changes = state.lookahead(loss, of=model.hypernet) if state.config.lookahead else None
    keep = losses.output_change(model.hypernet, state.memory, changes=changes)
    return {"loss": loss + 0.1 * keep, "task": loss, "keep": keep}


def _remember(model, state):
    model.hypernet.encoder.freeze(range(state.task))
    state.memory = losses.remember(model.hypernet, torch.arange(state.task))


def _evaluate(model, task):
    batch = task.test[:]
    return {"accuracy": (model(batch.inputs, context=batch.context).argmax(-1) == batch.targets).float().mean().item()}


def _train(lookahead, **options):
    state = _state()
    state.config.lookahead = lookahead
    settings = Settings(**SETTINGS, **options)
    outcome = sequence(state, TASKS, settings, step=_step, evaluate=_evaluate, log=Log(), before_task=_remember)
    return state.model, outcome


def _alone(lookahead, **options):
    """What one process makes of whole batches."""
    started = os.environ.pop("TORCHELASTIC_RUN_ID")
    try:
        return _train(lookahead, **options)
    finally:
        os.environ["TORCHELASTIC_RUN_ID"] = started


def _assert_trained_alike(strategy, lookahead, **options):
    (model, outcome), (expected, other) = _train(lookahead, strategy=strategy, **options), _alone(lookahead, **options)
    for (name, parameter), q in zip(model.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(whole(parameter), q, rtol=0, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")
    assert outcome.metrics == other.metrics


def check_copies_train_as_one_process_does(rank):
    _assert_trained_alike("ddp", True)


def check_parts_train_as_one_process_does(rank):
    _assert_trained_alike("fsdp", False)


def check_gradients_are_clipped_alike(rank):
    for strategy in ("ddp", "fsdp"):
        _assert_trained_alike(strategy, False, clip_norm=0.01, clip_generated=10.0)


def check_batches_accumulate_alike(rank):
    for strategy in ("ddp", "fsdp"):
        _assert_trained_alike(strategy, False, accumulate=3)


def check_deterministic_training_works(rank):
    try:
        for strategy in ("ddp", "fsdp"):
            lab.config.seed_everything(0, deterministic=True)
            _assert_trained_alike(strategy, False)
    finally:
        torch.use_deterministic_algorithms(False)


def check_hypernets_generate_in_float32(rank):
    for strategy in ("ddp", "fsdp"):
        seen = set()

        def step(model, batch, state, seen=seen):
            weights = model.generate(batch.context)
            seen.update(weight.dtype for weight in weights.values())
            outputs = model.call(weights, batch.inputs)
            seen.add(outputs.dtype)
            return {"loss": F.cross_entropy(outputs, batch.targets)}

        settings = Settings(**SETTINGS, strategy=strategy, precision="bf16-mixed", generate_in_float32=True)
        fit(_state(), TASKS[0], settings, step=step, evaluate=_evaluate, log=Log())
        assert seen == {torch.float32, torch.bfloat16}, seen


def check_auto_is_copies(rank):
    state = _state()
    Engine(state, Settings(**SETTINGS))
    assert not any(isinstance(p, DTensor) for p in state.model.parameters())
    assert launch(Settings(**SETTINGS)) == (rank == 0)
    assert launch(object())


def check_lookahead_of_parts_is_refused(rank):
    with pytest.raises(ConfigError, match="Use strategy 'ddp'"):
        _train(True, strategy="fsdp")


def check_all_stop_if_one_loss_is_not_finite(rank):
    def diverging(model, batch, state):
        loss = _step(model, batch, state)["loss"]
        return {"loss": loss * (torch.nan if state.step == 2 and rank == 1 else 1.0)}

    with pytest.raises(TrainingError, match="not finite at step 2"):
        fit(_state(), TASKS[0], Settings(**SETTINGS), step=diverging, evaluate=_evaluate, log=Log())


def check_logged_losses_are_the_mean(rank):
    seen = []

    log = Log()
    log.losses = lambda state, losses: seen.append({name: loss.item() for name, loss in losses.items()})

    def step(model, batch, state):
        return {**_step(model, batch, state), "rank": torch.tensor(float(rank))}

    fit(_state(), TASKS[0], Settings(**SETTINGS), step=step, evaluate=_evaluate, log=log)
    assert [losses["rank"] for losses in seen] == [0.5, 0.5], seen


def check_dropout_differs(rank):
    state = _state()
    Engine(state, Settings(**SETTINGS))
    own = torch.rand(8)
    both = [torch.empty_like(own) for _ in range(2)]
    torch.distributed.all_gather(both, own)
    assert not torch.equal(*both)


def check_batches_are_divided(rank):
    processes = Processes(Settings(**SETTINGS))
    rows = torch.arange(6)
    whole_batch = Batch(context=rows, inputs=rows[:, None].float(), targets=rows)
    part = processes.share(whole_batch)
    assert part.context.tolist() == part.targets.tolist() == list(range(rank, 6, 2))
    one = processes.share(Batch(context=torch.tensor(3), inputs=rows.float(), targets=rows))
    assert (one.context.item(), one.targets.tolist()) == (3, list(range(rank, 6, 2)))
    for odd in (
        Batch(context=torch.tensor(0), inputs=rows[:5], targets=rows[:5]),
        Batch(context=rows[:2], inputs=rows, targets=rows),
    ):
        with pytest.raises(ConfigError, match="a multiple of 2"):
            processes.share(odd)


def check_settings_that_do_not_fit_are_refused(rank):
    for options, words in (
        ({"batch_size": 15}, "15 samples cannot be divided among 2"),
        ({"devices": 3}, "torchrun started 2"),
    ):
        with pytest.raises(ConfigError, match=words):
            Engine(_state(), Settings(**{**SETTINGS, **options}))


def check_means_of_gradients_that_some_do_not_have(rank):
    parameters = [torch.zeros(2), torch.zeros(3), torch.zeros(1)]
    gradients = [torch.ones(2) * rank, torch.ones(3) if rank else None, None]
    mean = mean_gradients(gradients, parameters)
    assert [None if g is None else g.tolist() for g in mean] == [[0.5, 0.5], [0.5, 0.5, 0.5], None]


if __name__ == "__main__":
    main(globals())
