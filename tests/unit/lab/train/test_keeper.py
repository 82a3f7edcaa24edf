from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import CheckpointError
from hyperdnn.lab import losses
from hyperdnn.lab.train import Checkpoints, Log, Settings, State, TrainingError, fit, joint, sequence
from hyperdnn.lab.train._keeper import model_values

SETTINGS = Settings(iterations=12, batch_size=8, lr=0.02, log_every=3, checkpoint_every=5, keep_last=2, device="cpu")


class KilledError(Exception):
    """Stands for the end of the process."""


def _state(folder):
    torch.manual_seed(1)
    np.random.seed(1)
    target = hd.Target(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    body = bodies.MLP(6, 8, dropout=0.1)
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 6), body=body, head=heads.FullHead(8, target.layout))
    kept = Checkpoints(folder / "kept")
    generator = torch.Generator().manual_seed(2)
    model = hd.HyperDNN(target, hypernet)
    return State(model=model, config=None, generator=generator, checkpoints=kept, resumed=kept.latest())


def _before_task(model, state):
    model.hypernet.encoder.freeze(range(state.task))
    state.memory = losses.remember(model.hypernet, torch.arange(state.task))
    state.record["calls"] = [*state.record.get("calls", []), state.task]


def _step(model, batch, state, *, until=None):
    if state.step == until:
        raise KilledError
    noise = np.random.random() + torch.rand(())  # not Python's: the run-time type checks of these tests draw from it
    inputs = batch.inputs + 0.01 * noise
    loss = F.cross_entropy(model(inputs, context=batch.context), batch.targets)
    if not state.memory:
        return {"loss": loss}
    changes = state.lookahead(loss, of=model.hypernet)
    keep = losses.output_change(model.hypernet, state.memory, changes=changes, num=1, generator=state.generator)
    return {"loss": loss + keep, "keep": keep}


LOOPS = {
    "fit": lambda state, tasks, *rest, **parts: fit(state, tasks[0], *rest, **parts),
    "joint": joint,
    "sequence": partial(sequence, before_task=_before_task),
}


def _run(loop, folder, tasks, evaluate, *, until=None, settings=SETTINGS):
    """What a loop comes to, or None if it was killed."""
    folder.mkdir(exist_ok=True)
    state, log = _state(folder), Log(folder / "metrics.jsonl")
    try:
        outcome = LOOPS[loop](state, tasks, settings, step=partial(_step, until=until), evaluate=evaluate, log=log)
    except KilledError:
        return None
    return state, outcome


@pytest.fixture
def evaluate():
    def evaluate(model, task):
        batch = task.test[:]
        output = model(batch.inputs, context=batch.context)
        return {"accuracy": (output.argmax(-1) == batch.targets).float().mean().item(), "loss": output.sum().item()}

    return evaluate


@pytest.mark.parametrize(("loop", "optimizer"), [("fit", "adamw"), ("joint", "sgd"), ("sequence", "adam")])
def test_a_killed_loop_ends_as_if_it_had_been_let_be(loop, optimizer, tasks, evaluate, tmp_path):
    changes = {"momentum": 0.9, "accumulate": 2} if optimizer == "sgd" else {}
    settings = replace(SETTINGS, optimizer=optimizer, **changes)
    run = partial(_run, loop, tasks=tasks, evaluate=evaluate, settings=settings)
    whole, expected = run(tmp_path / "whole")
    for until in (5, 9, 12, 13, 31):  # 5: after the checkpoint, before the next step
        killed = run(tmp_path / "killed", until=until)
        if killed is not None:
            break  # a shorter loop
    resumed, outcome = run(tmp_path / "killed") if killed is None else killed
    assert outcome == expected
    assert (resumed.step, resumed.task, resumed.record) == (whole.step, whole.task, whole.record)
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    frozen = [[n for n, p in s.model.named_parameters() if not p.requires_grad] for s in (whole, resumed)]
    assert frozen[0] == frozen[1]
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert texts[0] == texts[1]
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())


@pytest.mark.filterwarnings("ignore::hyperdnn.errors.GeneratorWarning")
def test_a_warning_is_not_told_again(tasks, evaluate, tmp_path):
    def run(folder, until=None):
        folder.mkdir(exist_ok=True)
        state, log = _state(folder), Log(folder / "metrics.jsonl")
        with torch.no_grad():
            state.model.hypernet.body.layers[0].bias.fill_(-100.0)
        fit(state, tasks[0], SETTINGS, step=partial(_step, until=until), evaluate=evaluate, log=log)

    run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "killed", until=8)
    run(tmp_path / "killed")
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert '"warning"' in texts[0].partition('"step": 6')[0]
    assert texts[0] == texts[1]


def _killed(tmp_path, tasks, evaluate, until=8):
    assert _run("fit", tmp_path, tasks, evaluate, until=until) is None
    return tmp_path


def test_progress_begins_where_it_was(tasks, evaluate, tmp_path, capsys):
    from hyperdnn.lab.train._progress import Lines

    state = _state(_killed(tmp_path, tasks, evaluate))
    log = Log(tmp_path / "metrics.jsonl", progress=Lines())
    fit(state, tasks[0], SETTINGS, step=_step, evaluate=evaluate, log=log)
    assert (log.progress.earlier, log.progress.done) == (5, 12)
    assert state.resumed is None


def test_without_an_interval_there_is_no_checkpoint(tasks, evaluate, tmp_path):
    _run("fit", tmp_path, tasks, evaluate, settings=replace(SETTINGS, checkpoint_every=None))
    assert not (tmp_path / "kept").exists()


def test_another_model_is_refused(tasks, evaluate, tmp_path):
    state = _state(_killed(tmp_path, tasks, evaluate))
    state.model = nn.Linear(2, 2)
    with pytest.raises(
        CheckpointError, match=r"does not fit this model: '.*' is \(.*\) in it, but absent in the model"
    ):
        fit(state, tasks[0], SETTINGS, step=_step, evaluate=evaluate, log=Log())


def test_another_optimizer_is_refused(tasks, evaluate, tmp_path):
    state = _state(_killed(tmp_path, tasks, evaluate))
    state.model.hypernet.encoder.freeze(range(3))
    value = state.resumed.value()
    value["trained"] = value["trained"][:-1]
    state.resumed = SimpleNamespace(value=lambda device: value, process=0)
    with pytest.raises(CheckpointError, match=r"does not fit this training.*parameter group"):
        fit(state, tasks[0], SETTINGS, step=_step, evaluate=evaluate, log=Log())


def test_a_finished_training_cannot_be_gone_on_with(tasks, evaluate, tmp_path):
    state, _ = _run("fit", tmp_path, tasks, evaluate)
    state.checkpoints.finish({**model_values(state, Log()), "outcome": {}})
    with pytest.raises(CheckpointError, match="final is the end of a training"):
        _run("fit", tmp_path, tasks, evaluate)


@pytest.mark.parametrize(("name", "value"), [("lr", 0.5), ("weight_decay", 0.1), ("optimizer", "adamw")])
def test_settings_that_would_be_ignored_are_refused(name, value, tasks, evaluate, tmp_path):
    state = _state(_killed(tmp_path, tasks, evaluate))
    with pytest.raises(CheckpointError, match=rf"train\.{name} is {value}, but was .* start a new run"):
        fit(state, tasks[0], replace(SETTINGS, **{name: value}), step=_step, evaluate=evaluate, log=Log())


def test_a_log_that_was_cut_is_refused(tasks, evaluate, tmp_path):
    state = _state(_killed(tmp_path, tasks, evaluate))
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl has 0 bytes, but had \d+ when"):
        fit(state, tasks[0], SETTINGS, step=_step, evaluate=evaluate, log=Log(tmp_path / "metrics.jsonl"))


def test_what_cannot_be_kept_is_named(tasks, evaluate, tmp_path):
    state = _state(tmp_path)
    state.record["teacher"] = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"'record\.teacher' is a Linear.*checkpoint_every to null"):
        fit(state, tasks[0], SETTINGS, step=_step, evaluate=evaluate, log=Log())


def test_divergence_names_the_last_good_checkpoint(tasks, evaluate, tmp_path):
    def diverging(model, batch, state):
        return {"loss": _step(model, batch, state)["loss"] * (torch.nan if state.step == 8 else 1.0)}

    with pytest.raises(TrainingError, match=r"not finite at step 8.*The last good checkpoint is .*step-000005\.$"):
        fit(_state(tmp_path), tasks[0], SETTINGS, step=diverging, evaluate=evaluate, log=Log())


def test_weights_that_are_not_finite_are_no_checkpoint(tasks, evaluate, tmp_path):
    def step(model, batch, state):
        loss = _step(model, batch, state)["loss"]
        steep = sum((p - p.detach()).abs().sqrt().sum() for p in model.parameters())  # its gradient is nan
        return {"loss": loss + steep if state.step == 9 else loss}

    with pytest.raises(
        TrainingError, match=r"weights are not finite after step 10 .*'.*'.*checkpoint is .*step-000005"
    ):
        fit(_state(tmp_path), tasks[0], SETTINGS, step=step, evaluate=evaluate, log=Log())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["step-000005"]
