"""What every combine keeps to, alone and behind every head."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, protocols, targets
from hyperdnn.layout import ParamSpec

from .cases import COMBINES, combines, names, with_slots

SPECS = [
    ParamSpec(name="w", shape=(4, 3), kind="linear", init_mean=0.3, init_std=0.5, aliases=("tied",)),
    ParamSpec(name="k", shape=(4, 2, 3), kind="convolution"),
    ParamSpec(name="b", shape=(4,), kind="bias"),
    ParamSpec(name="s", shape=()),
]
HEADS = {
    "full": lambda layout: heads.FullHead(6, layout),
    "multi": lambda layout: heads.MultiHead(6, layout),
    "chunked": lambda layout: heads.ChunkedHead(6, layout, 7),
    "layers": lambda layout: heads.ComponentHead(6, layout),
    "rows": lambda layout: heads.ComponentHead(6, layout, component="row"),
    "factored": lambda layout: heads.FactoredHead(6, layout, 2),
}

every_combine = pytest.mark.parametrize("combine", COMBINES, ids=names(COMBINES))
changes = [combine for combine in COMBINES if combine.needs_base]
every_change = pytest.mark.parametrize("combine", changes, ids=names(changes))


def _formula(combine, generated, base):
    """Each combine again, one number or one column at a time; a distribution at its mean."""
    if isinstance(combine, targets.Replace | targets.Gaussian):
        return generated[0]
    if isinstance(combine, targets.Scale):
        return base * (1 + generated[0])
    if len(generated) == 1:
        return base + generated[0]
    left, right = generated
    columns = [torch.outer(left[:, i], right[:, i]) for i in range(left.shape[1])]
    return base + sum(columns).reshape(base.shape)


def _model(combine, head, dtype=torch.float32):
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3)).to(dtype)
    for p in net.parameters():
        nn.init.normal_(p)  # a base of zeros would hide a scale
    plain = copy.deepcopy(net)
    target = hd.Target(net, combine=combine)
    head = HEADS[head](target.layout)
    slots = with_slots(head)
    hypernet = hd.Hypernet(
        encoder=encoders.Table(3, 5), slots=slots, body=bodies.MLP(8 if slots else 5, 6, activation="tanh"), head=head
    )
    return plain, hd.HyperDNN(target, hypernet.to(dtype))


def test_every_public_combine_has_a_case():
    assert combines() == {type(combine) for combine in COMBINES}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@every_combine
def test_says_what_it_needs(combine, spec):
    assert isinstance(combine, protocols.Combine)
    specs = combine.specs(spec)
    assert len({part.name for part in specs}) == len(specs)
    assert all(part.name == spec.name or part.name.startswith(f"{spec.name}.") for part in specs)
    if combine.needs_base:
        assert {part.init_mean for part in specs} == {0.0}
        assert any(part.init_std == 0 for part in specs)


@pytest.mark.parametrize("contexts", [(), (1,), (4,), (0,), (2, 3)], ids=str)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@every_combine
def test_is_its_formula_in_every_context(combine, spec, contexts):
    base = torch.randn(spec.shape, dtype=torch.float64)
    generated = [torch.randn((*contexts, *part.shape), dtype=torch.float64) for part in combine.specs(spec)]
    if isinstance(combine, targets.Gaussian):
        generated[1].fill_(-torch.inf)  # no deviation; the noise has a test of its own
    made = combine(generated, base if combine.needs_base else None, spec.shape)
    assert made.shape == contexts + spec.shape
    flat = [g.reshape(-1, *g.shape[len(contexts) :]) for g in generated]
    for i, one in enumerate(made.reshape(-1, *spec.shape)):
        torch.testing.assert_close(one, _formula(combine, [g[i] for g in flat], base), rtol=0, atol=1e-12)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@every_combine
def test_differentiates_twice(combine, spec):
    base = torch.randn(spec.shape, dtype=torch.float64, requires_grad=True)
    parts = [torch.randn(2, *p.shape, dtype=torch.float64, requires_grad=True) for p in combine.specs(spec)]

    def made(base, *parts):
        torch.manual_seed(0)  # the same noise in every evaluation
        return combine(parts, base, spec.shape)

    assert torch.autograd.gradcheck(made, (base, *parts))
    # Linear ones have a second derivative of zero, which is not materialised: a square makes it real.
    assert torch.autograd.gradgradcheck(lambda *tensors: made(*tensors).square(), (base, *parts))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("head", HEADS)
@every_change
def test_a_change_starts_as_exactly_nothing(combine, head, dtype):
    plain, model = _model(combine, head, dtype)
    effective = model.target.effective(model.generate(torch.arange(3)))
    for name, value in plain.named_parameters():
        for one in effective[name]:
            assert torch.equal(one, value), name
    x = torch.randn(4, 2, 5, dtype=dtype)
    assert torch.equal(model(x, context=torch.tensor(1)), plain(x))


@pytest.mark.parametrize("head", HEADS)
@every_change
def test_a_change_learns_and_the_base_stays(combine, head):
    plain, model = _model(combine, head)
    assert all(not p.requires_grad for p in model.target.base.parameters())
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    x = torch.randn(3, 4, 2, 5)
    for _ in range(3):
        optimizer.zero_grad()
        F.mse_loss(model(x, context=torch.arange(3)), torch.arange(3.0).view(3, 1, 1).expand(3, 4, 3)).backward()
        optimizer.step()
    effective = model.target.effective(model.generate(torch.arange(3)))
    for name, value in plain.named_parameters():
        assert torch.equal(model.target.base[name], value)
        assert not torch.equal(effective[name][0], effective[name][1]), f"'{name}' is the same in every context"


@every_change
def test_a_trained_base_gets_its_gradient(combine):
    target = hd.Target(nn.Linear(3, 4), combine=combine, train_base=True)
    weights = {spec.name: torch.randn(2, *spec.shape) for spec in target.layout}
    target.batched(weights, torch.randn(2, 5, 3)).sum().backward()
    assert all(p.grad.any() for p in target.base.parameters())


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("head", HEADS)
@every_combine
def test_a_model_survives_copying(combine, head, again):
    _, model = _model(combine, head)
    x, twin = torch.randn(3, 4, 2, 5), again(model)
    outputs = []
    for one in (twin, model):
        torch.manual_seed(1)
        outputs.append(one(x, context=torch.arange(3)))
    assert torch.equal(*outputs)
    assert twin.state_dict().keys() == model.state_dict().keys()


@every_combine
def test_tied_parameters_stay_tied(combine):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(5, 3)
            self.out = nn.Linear(3, 5, bias=False)
            self.out.weight = self.embedding.weight

        def forward(self, tokens):
            return self.out(self.embedding(tokens))

    target = hd.Target(Tied(), combine=combine)
    weights = {spec.name: torch.randn(spec.shape) for spec in target.layout}
    effective = target.effective(weights)
    assert effective["out.weight"] is effective["embedding.weight"]
