import torch
from torch import Tensor, nn

from hyperdnn.lab import data
from hyperdnn.lab.baselines import Many, fit_members
from hyperdnn.lab.train import Log, Settings, State


def test_a_member_has_as_large_a_batch_as_the_others_whatever_their_number() -> None:
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(64, 10)) for _ in range(3)]
    state = State(model=Many(nets), config=None, generator=torch.Generator())
    sizes: list[int] = []

    def step(model: Many, batch: data.Batch, state: State) -> dict[str, Tensor]:
        sizes.append(len(batch))
        parts = batch.inputs.unflatten(0, (len(model.rows), -1))
        return {"loss": model(parts, context=batch.context).square().mean()}

    settings = Settings(iterations=1, batch_size=7, device="cpu")
    outcome = fit_members(state, data.load("digits"), settings, step=step, evaluate=lambda *_: {"one": 1.0}, log=Log())
    assert sizes == [21]
    assert outcome.metrics == {"one": 1.0}
