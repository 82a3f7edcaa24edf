"""Checkpoints of two processes."""

import json
import warnings

import pytest
import torch
from pair import FOLDER, main
from safetensors.torch import load_file
from torch import distributed
from trainings import SETTINGS, make_model, train

from hyperdnn.errors import CheckpointError, CheckpointWarning, ConfigError
from hyperdnn.lab.train import Checkpoints, Settings, State, _checkpoint, gather_weights
from hyperdnn.lab.train._engine import Engine
from hyperdnn.lab.train._gradients import whole
from hyperdnn.lab.train._jointly import jointly
from hyperdnn.lab.train._random import random_states
from hyperdnn.lab.train._tree import flatten

STRATEGIES = ("ddp", "fsdp")


def _local(state):
    return [getattr(p, "to_local", lambda p=p: p)() for p in state.model.parameters()]


def _killed(name, rank, **options):
    assert train(FOLDER / name, until=5, **options) is None
    return Checkpoints(FOLDER / name / "kept")


def check_killed_ones_end_as_if_they_had_been_let_be(rank):
    for strategy in STRATEGIES:
        expected = train(FOLDER / f"{strategy} whole", strategy=strategy, dropout=0.2)
        states = random_states()
        for until in (3, 7, 10):
            assert train(FOLDER / strategy, until=until, strategy=strategy, dropout=0.2) is None
        resumed = train(FOLDER / strategy, strategy=strategy, dropout=0.2)
        assert all(map(torch.equal, _local(resumed), _local(expected)))
        assert resumed.record == expected.record
        assert torch.equal(random_states()["cpu"], states["cpu"])


def check_dropout_goes_on_apart(rank):
    own = torch.get_rng_state()
    both = [torch.empty_like(own) for _ in range(2)]
    distributed.all_gather(both, own)
    assert not torch.equal(*both)


def check_the_first_writes_what_one_would_and_the_others_what_differs(rank):
    kept = _killed("copies", rank, strategy="ddp")
    folder = kept.folder / "step-000004"
    names = [sorted(load_file(folder / name)) for name in ("state.safetensors", "state-1.safetensors")]
    assert {name for name in names[0] if name.startswith("model.")} == {f"model.{n}" for n in make_model().state_dict()}
    assert names[1] == ["random.cpu"]
    assert set(json.loads((folder / "manifest.json").read_text())["files"]) == {
        path.name for path in folder.iterdir()
    } - {"manifest.json"}


def check_each_writes_its_part(rank):
    kept = _killed("parts", rank, strategy="fsdp")
    folder = kept.folder / "step-000004"
    tensors = load_file(folder / ("state-1.safetensors" if rank else "state.safetensors"))
    parts = [name for name in tensors if name.startswith("model.")]
    assert parts
    assert all(name.endswith(f"[{rank}]") for name in parts)
    assert sorted(path.name for path in kept.folder.iterdir()) == ["step-000002", "step-000004"]
    gather_weights(folder, FOLDER / "model.safetensors")
    if rank == 0:
        gathered = load_file(FOLDER / "model.safetensors")
        make_model().load_state_dict(gathered)
        value = _checkpoint._load(folder, 2).value()["model"]
        assert all(torch.equal(gathered[name], value[name].whole()) for name in value)


def _damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def check_a_damaged_part_is_refused_and_the_one_before_is_used(rank):
    kept = Checkpoints(FOLDER / "parts" / "kept")
    distributed.barrier()
    if rank == 0:
        _damage(kept.folder / "step-000004" / "state-1.safetensors")
        with pytest.warns(CheckpointWarning, match=r"state-1\.safetensors is damaged.*Going on from step-000002"):
            found = kept.latest()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the first one has said it
            found = kept.latest()
    assert found.value()["step"] == 2
    distributed.barrier()
    if rank == 0:
        (kept.folder / "step-000002" / "state-1.json").unlink()
    distributed.barrier()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used\. process \d: .*is "):
        kept.latest()


def check_if_one_cannot_write_none_has_written(rank):
    def full(*_):
        raise OSError(28, "No space left on device")

    distributed.barrier()
    before, save = sorted((FOLDER / "copies" / "kept").iterdir()), _checkpoint.save_file
    if rank == 1:
        _checkpoint.save_file = full
    try:
        with pytest.raises(CheckpointError, match=r"process 1: .*cannot be written.*No space left"):
            train(FOLDER / "copies", strategy="ddp")
    finally:
        _checkpoint.save_file = save
    distributed.barrier()
    assert sorted((FOLDER / "copies" / "kept").iterdir()) == before


def check_parts_belong_to_the_model(rank):
    state = State(model=make_model(), config=None, generator=torch.Generator())
    Engine(state, Settings(**SETTINGS, strategy="fsdp"))
    with pytest.raises(CheckpointError, match=r"'memory\.old' is divided among processes.*full_tensor\(\)"):
        flatten({"memory": {"old": next(state.model.parameters())}})


def check_models_grow_alike_and_again(rank):
    expected = train(FOLDER / "growing whole", strategy="ddp", grow=True)
    assert train(FOLDER / "growing", until=9, strategy="ddp", grow=True) is None
    resumed = train(FOLDER / "growing", strategy="ddp", grow=True)
    assert resumed.model.hypernet.encoder.contexts == 4
    assert all(map(torch.equal, _local(resumed), _local(expected)))
    sums = jointly(lambda: [weight.double().sum().item() for weight in resumed.memory.weights.values()])
    assert sums[0] == sums[1]  # also of the rows that came last


def check_divided_models_do_not_grow(rank):
    with pytest.raises(ConfigError, match="divided among processes and cannot grow"):
        train(FOLDER / "growing parts", strategy="fsdp", grow=True)
    state = State(model=make_model(), config=None, generator=torch.Generator())
    engine = Engine(state, Settings(**SETTINGS, strategy="fsdp"))
    state.model.hypernet.encoder.grow()
    with pytest.raises(ConfigError, match=r"rows\.3' is new, and no model grows under strategy 'fsdp'"):
        engine.processes.wrap(lambda model, batch, state: {}, state)


def check_another_strategy_goes_on(rank):
    for first, second in (("ddp", "fsdp"), ("fsdp", "ddp")):
        name = f"{first} to {second}"
        _killed(name, rank, strategy=first)
        resumed, expected = train(FOLDER / name, strategy=second), train(FOLDER / f"{name} whole", strategy=second)
        for p, q in zip(resumed.model.parameters(), expected.model.parameters(), strict=True):
            torch.testing.assert_close(whole(p), whole(q), rtol=0, atol=1e-5)


if __name__ == "__main__":
    main(globals())
