import copy
import json
import math
import warnings

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, init, targets
from hyperdnn.errors import ContextError
from hyperdnn.inspect import Health

CONTEXTS = 6


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def model(**options: object) -> hd.HyperDNN:
    torch.manual_seed(0)
    return hd.HyperDNN.for_tasks(net(), CONTEXTS, hidden=16, **options)


def parts(head: str = "full", activation: str = "relu") -> hd.HyperDNN:
    torch.manual_seed(0)
    target = hd.Target(net())
    made = heads.FullHead(16, target.layout) if head == "full" else heads.ChunkedHead(16, target.layout, 20)
    slots = encoders.Slots(made.slots, 4) if made.slots else None
    body = bodies.MLP(12 if slots else 8, 16, 16, activation=activation)
    hypernet = hd.Hypernet(encoder=encoders.Table(CONTEXTS, 8), slots=slots, body=body, head=made)
    return hd.HyperDNN(target, hypernet)


def backward(m: hd.HyperDNN, scale: float = 1.0) -> None:
    torch.manual_seed(1)
    output = m(torch.randn(CONTEXTS, 10, 8), context=torch.arange(CONTEXTS))
    (scale * output.square().mean()).backward()


def silence(m: hd.HyperDNN, layer: int) -> None:
    """Biases so low that a ReLU layer is never reached again."""
    with torch.no_grad():
        [part for part in m.hypernet.body.modules() if isinstance(part, nn.Linear)][layer].bias.fill_(-100.0)


def ailments(report: Health) -> list[str]:
    return [finding.ailment for finding in report.findings]


@pytest.mark.parametrize("head", ["full", "chunked"])
def test_a_fresh_hypernet_is_well(head):
    m = parts(head)
    backward(m)
    report = hd.health(m)
    assert report.ok, str(report)
    assert report.contexts == CONTEXTS
    assert [t.name for t in report.tensors] == list(m.target.layout.names)
    assert set(report.inactive) == {"body.layers.1", "body.layers.3"}


def test_the_numbers_are_those_of_a_loop():
    m = parts()
    weights = {name: w.detach().double() for name, w in m.generate(torch.arange(CONTEXTS)).items()}
    for tensor, spec, other in zip(
        hd.health(m).tensors, m.target.layout, init.hyperfan_in(m.target.layout), strict=True
    ):
        rows = [weights[spec.name][i] for i in range(CONTEXTS)]
        size = math.sqrt(sum(float(row.square().mean()) for row in rows) / CONTEXTS)
        mean = sum(rows) / CONTEXTS
        spread = math.sqrt(sum(float((row - mean).square().mean()) for row in rows) / CONTEXTS)
        assert tensor.rms == pytest.approx(max(float(row.square().mean()) for row in rows) ** 0.5, rel=1e-5)
        assert tensor.variation == pytest.approx(spread / size, rel=1e-5)
        own = math.hypot(spec.init_mean, spec.init_std)
        assert tensor.low <= min(own, other.std)
        assert tensor.high >= max(own, other.std)


@pytest.mark.parametrize("rule", [init.matched, init.hyperfan_in, init.hyperfan_out])
def test_every_published_start_is_well(rule):
    assert hd.health(model(init=rule)).ok


@pytest.mark.parametrize(
    "combine", [targets.Residual(), targets.Scale(), targets.LowRank(2), targets.Gaussian()], ids=repr
)
def test_a_change_that_starts_at_zero_is_well(combine):
    m = model(combine=combine)
    assert hd.health(m).ok, str(hd.health(m))


@pytest.mark.parametrize("combine", [targets.Residual(), targets.Scale(), targets.LowRank(2)], ids=repr)
def test_a_change_is_measured_on_the_parameter_that_it_makes(combine):
    m = model(combine=combine)
    weights = {name: torch.zeros_like(w) for name, w in m.generate(torch.arange(2)).items()}
    effective = m.target.effective(weights)["2.weight"]

    class Given(nn.Module):
        layout = m.target.layout

        def forward(self, context: Tensor) -> hd.Weights:
            return weights

    given = hd.HyperDNN(m.target, Given())
    for name in weights:
        if name.startswith("2.weight"):
            weights[name][1] = 0.05
    small = next(t for t in hd.health(given, context=torch.arange(2)).tensors if t.name.startswith("2.weight"))
    made = m.target.effective(weights)["2.weight"]
    assert small.rms == pytest.approx(max(w.detach().square().mean().item() for w in (*effective, *made)) ** 0.5)
    assert hd.health(given, context=torch.arange(2)).ok
    for name in weights:
        if name.startswith("2.weight"):
            weights[name][1] = 100.0
    (finding,) = hd.health(given, context=torch.arange(2)).findings
    assert finding.ailment == "exploding"
    assert finding.places[0].startswith("2.weight")


def test_a_silent_body_is_a_dead_generator():
    m = parts()
    silence(m, 1)
    dead, inactive = hd.health(m).findings
    assert (dead.ailment, dead.places) == ("dead", ("body",))
    assert "the same for all 6 contexts, since the body gives them the same features of zeros." in str(dead)
    assert "lower learning rate" in dead.remedy
    assert "leaky_relu" in dead.remedy
    assert (inactive.ailment, inactive.places) == ("inactive", ("body.layers.3",))
    assert str(inactive).startswith("100% of the units are silent for all 6 contexts in 'body.layers.3'.")


def test_a_chunked_hypernet_is_dead_only_if_no_slot_tells_contexts_apart():
    """With slots the body never gives zeros or the same rows; what counts is the difference between contexts."""
    m = parts("chunked", activation="tanh")
    with torch.no_grad():
        next(part for part in m.hypernet.body.modules() if isinstance(part, nn.Linear)).weight[:, :8] = 0
    (dead,) = hd.health(m).findings
    assert "since the body gives them the same features." in str(dead)


def test_equal_features_of_the_encoder_are_named():
    m = parts()
    with torch.no_grad():
        for row in m.hypernet.encoder.rows:
            row.copy_(m.hypernet.encoder.rows[0])
    (dead,) = hd.health(m).findings
    assert dead.places == ("encoder",)
    assert "since the encoder gives them the same features" in str(dead)


def test_a_head_that_listens_to_nothing_is_named():
    module = net()
    head = heads.FullHead(16, hd.ParamLayout.of(module))
    init.from_target_(head, module)
    hypernet = hd.Hypernet(encoder=encoders.Table(CONTEXTS, 8), body=bodies.MLP(8, 16), head=head)
    m = hd.HyperDNN(hd.Target(module), hypernet)
    (dead,) = hd.health(m).findings
    assert dead.places == ("head",)
    assert "though features differ (as before the first step after init.from_target_)" in str(dead)
    backward(m)
    torch.optim.SGD(m.parameters(), 1e-3).step()
    m.zero_grad()
    assert hd.health(m).ok  # from the first step on contexts differ


def test_weights_that_explode_are_named_with_their_factor():
    m = model()
    with torch.no_grad():
        m.hypernet.head.linear.weight[: 8 * 16].mul_(1000)
    (finding,) = hd.health(m).findings
    assert (finding.ailment, finding.places) == ("exploding", ("0.weight",))
    ratio = max(t.rms / t.high for t in hd.health(m).tensors)
    assert f"weights explode: {ratio:.3g} times as large as they start in '0.weight'." in str(finding)
    assert "hd.clip_gradient" in finding.remedy
    assert "init=init.matched" in finding.remedy


def test_one_exploding_context_is_enough_and_the_worst_tensor_comes_first():
    m = model()
    weights = m.generate(torch.arange(CONTEXTS))

    class Given(nn.Module):
        layout = m.target.layout

        def forward(self, context: Tensor) -> hd.Weights:
            made = {name: w.detach().clone() for name, w in weights.items()}
            made["0.weight"][3] *= 100
            made["2.weight"][3] *= 1000
            return {name: w[context] for name, w in made.items()}

    m = hd.HyperDNN(m.target, Given())
    (finding,) = hd.health(m, context=torch.arange(CONTEXTS)).findings
    assert finding.places == ("2.weight", "0.weight")
    assert "in '2.weight' and 1 more." in finding.text
    assert hd.health(m, context=torch.tensor([0, 1])).ok


def test_numbers_that_left_the_format_are_found_in_weights_and_gradients():
    m = model()
    backward(m, scale=math.inf)
    with torch.no_grad():
        m.hypernet.head.linear.bias[0] = math.nan
    first, *_, last = hd.health(m).findings
    assert "generated weights are not finite: '0.weight'." in str(first)
    assert "the hypernet's gradient is not finite: " in str(last)
    assert "Go back to the last good checkpoint" in last.remedy
    assert "dead" not in ailments(hd.health(m))


def test_weights_that_vanish_are_found():
    m = model()
    with torch.no_grad():
        for p in m.hypernet.head.parameters():
            p.mul_(1e-5)
    (finding,) = hd.health(m).findings
    assert finding.ailment == "vanishing"
    assert "weight decay" in finding.remedy


def test_a_gradient_of_zeros_is_found():
    m = model()
    backward(m, scale=0.0)
    (finding,) = hd.health(m).findings
    assert finding.ailment == "no gradient"
    assert set(finding.places) == {name for name, p in m.hypernet.named_parameters() if p.grad is not None}
    assert "Does the loss depend on the generated weights" in str(finding)


def test_rows_of_a_table_that_were_not_asked_for_are_no_alarm():
    """A compiled step gives them zeros instead of nothing."""
    m = model()
    backward(m)
    m.hypernet.encoder.rows[2].grad.zero_()
    assert hd.health(m).ok


def test_the_limits_are_arguments():
    m = model()
    assert ailments(hd.health(m, exploding=1e-3)) == ["exploding"]
    assert ailments(hd.health(m, vanishing=1e3)) == ["vanishing"]
    assert ailments(hd.health(m, same=10.0)) == ["dead"]
    assert ailments(hd.health(parts(), inactive=0.0)) == ["inactive"]


@pytest.mark.parametrize("context", [torch.tensor(1), torch.tensor([1])], ids=str)
def test_a_single_context_differs_from_nothing(context):
    report = hd.health(parts(), context=context)
    assert report.ok
    assert report.contexts == 1
    assert {t.variation for t in report.tensors} == {None}
    assert report.inactive == {}


def test_contexts_in_several_dimensions():
    report = hd.health(parts("chunked"), context=torch.arange(CONTEXTS).reshape(2, 3))
    assert report.contexts == CONTEXTS
    assert report.ok


def test_no_context_is_nothing_to_look_at():
    with pytest.raises(ContextError, match=r"nothing to look at: the context dimensions are \(0,\)"):
        hd.health(model(), context=torch.arange(0))


def test_contexts_that_cannot_be_guessed_are_asked_for():
    target = hd.Target(net())
    encoder = encoders.FromModule(nn.Linear(5, 5), 5)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 8), head=heads.FullHead(8, target.layout)))
    with pytest.raises(ContextError, match=r"health cannot make contexts for FromModule: pass context=\."):
        hd.health(m)
    assert hd.health(m, context=torch.randn(3, 5)).ok


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", ["tasks", "noise", "dropout", "statistics"])
def test_nothing_of_the_model_changes(make, training):
    target = hd.Target(net())
    encoder = {
        "noise": encoders.Noise(8),
        "statistics": encoders.FromModule(nn.BatchNorm1d(8), 8),
    }.get(make, encoders.Table(CONTEXTS, 8))
    body = bodies.MLP(8, 16, dropout=0.5 if make == "dropout" else 0.0)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(16, target.layout)))
    m.train(training)
    m.hypernet.body.eval()  # a part in another mode than the whole
    context = torch.randn(5, 8) + 3 if make == "statistics" else None
    m(torch.randn(4, 8), context=context if context is not None else _one(m), data_dims=None)[..., 0].sum().backward()
    before = copy.deepcopy(m.state_dict())
    grads = {name: p.grad.clone() for name, p in m.named_parameters() if p.grad is not None}
    modes, state = [part.training for part in m.modules()], torch.get_rng_state()
    hd.health(m, context=context)
    torch.testing.assert_close(m.state_dict(), before, rtol=0, atol=0)
    torch.testing.assert_close({n: p.grad for n, p in m.named_parameters() if p.grad is not None}, grads)
    assert [part.training for part in m.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(part._forward_hooks for part in m.modules())


def _one(m: hd.HyperDNN) -> Tensor:
    sample = getattr(m.hypernet.encoder, "sample", None)
    return torch.arange(2) if sample is None else sample(2)


def test_everything_goes_back_after_an_error():
    m = parts().train()
    with pytest.raises(ContextError, match="beyond the table"):
        hd.health(m, context=torch.tensor([99]))
    assert all(part.training for part in m.modules())
    assert not any(part._forward_hooks for part in m.modules())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_other_number_formats(dtype):
    m = parts().to(dtype)
    assert hd.health(m).ok
    silence(m, 1)
    assert ailments(hd.health(m))[0] == "dead"


@pytest.mark.parametrize(
    "body", [bodies.CNN(12, 16), bodies.RNN(12, 16), bodies.Attention(12, 16, heads=2)], ids=lambda b: type(b).__name__
)
def test_other_bodies(body):
    target = hd.Target(net())
    head = heads.ChunkedHead(16, target.layout, 20)
    slots = encoders.Slots(head.slots, 4)
    m = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(CONTEXTS, 8), slots=slots, body=body, head=head))
    report = hd.health(m)
    assert report.ok, str(report)


def test_the_units_of_a_convolution_are_its_channels():
    body = bodies.CNN(12, 16)
    with torch.no_grad():
        body.layers[0].bias[:4] = -100.0
    target = hd.Target(net())
    head = heads.ChunkedHead(16, target.layout, 20)
    hypernet = hd.Hypernet(
        encoder=encoders.Table(CONTEXTS, 8), slots=encoders.Slots(head.slots, 4), body=body, head=head
    )
    assert hd.health(hd.HyperDNN(target, hypernet)).inactive == {"body.layers.1": 0.25}


def test_a_hypernet_in_one_piece_has_no_stages():
    class Whole(nn.Module):
        def __init__(self, layout: hd.ParamLayout) -> None:
            super().__init__()
            self.layout = layout
            self.flat = nn.Parameter(torch.randn(layout.numel) / 4)

        def forward(self, context: Tensor) -> hd.Weights:
            return self.layout.split(self.flat.expand(*context.shape, -1))

    target = hd.Target(net())
    (dead,) = hd.health(hd.HyperDNN(target, Whole(target.layout)), context=torch.arange(3)).findings
    assert dead.places == ("head",)


def test_the_report_is_json_and_readable():
    m = parts()
    silence(m, 1)
    with torch.no_grad():
        m.hypernet.head.linear.bias[0] = math.inf
    report = hd.health(m)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["ok"] is False
    assert data["tensors"][0]["rms"] is None
    assert data["findings"][0]["places"] == ["0.weight"]
    lines = str(report).splitlines()
    assert lines[0].split() == ["tensor", "rms", "starts", "at", "variation"]
    assert lines[1].startswith("0.weight")
    assert "body.layers.3: 100% of the units are silent" in lines
    assert lines[-1] == str(report.findings[-1])
    assert str(hd.health(parts())).endswith("\nNothing is wrong.")


def test_looking_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = parts()
        silence(m, 0)
        hd.health(m)
