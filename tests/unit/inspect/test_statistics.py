import itertools
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect, targets
from hyperdnn.errors import ConfigError, ContextError

from ... import known


def plain_spread(rows: Tensor) -> dict[str, float]:
    """The same numbers by hand."""
    rows = rows.double().flatten(1)
    pairs = list(itertools.combinations(range(len(rows)), 2))
    cosines = [torch.cosine_similarity(rows[i], rows[j], dim=0) for i, j in pairs]
    values = torch.linalg.svdvals(rows - rows.mean(0))
    shares = values[values > 1e-6 * values[0]] / values.sum()
    return {
        "between": float(((rows - rows.mean(0)) ** 2).mean().sqrt()),
        "within": float(((rows - rows.mean(1, keepdim=True)) ** 2).mean().sqrt()),
        "rank": float(torch.exp(-(shares * shares.log()).sum())),
        "cosine": float(torch.stack(cosines).mean()),
    }


@settings(deadline=None, max_examples=10)
@given(contexts=st.integers(2, 7), seed=st.integers(0, 100))
def test_every_number_is_that_of_a_plain_reference(contexts, seed):
    torch.manual_seed(seed)
    model, context = known.model(), torch.randn(contexts, 2)
    found = inspect.statistics(model, context)
    weights = {name: rows.detach() for name, rows in model.generate(context).items()}
    for tensor in found.tensors:
        rows = weights[tensor.name].double().flatten(1)
        assert tensor.numbers == rows.shape[1]
        torch.testing.assert_close(tensor.norms, rows.norm(dim=1))
        torch.testing.assert_close(tensor.sizes, rows.square().mean(1).sqrt())
        for name, value in plain_spread(rows).items():
            assert getattr(tensor, name) == pytest.approx(value, rel=1e-4, abs=1e-6), (tensor.name, name)
        apart = (rows[:, None] - rows).square().mean(-1).sqrt()
        torch.testing.assert_close(tensor.distances, apart, atol=1e-9, rtol=1e-6)
    joined = model.target.layout.join(weights).double()
    torch.testing.assert_close(found.whole.norms, joined.norm(dim=1))
    assert found.whole.between == pytest.approx(plain_spread(joined)["between"], rel=1e-5)
    assert found.whole.rank == pytest.approx(plain_spread(joined)["rank"], rel=1e-4)
    torch.testing.assert_close(found.whole.distances, (joined[:, None] - joined).square().mean(-1).sqrt())


def test_large_weights_are_measured_in_portions(monkeypatch):
    model, context = known.model(), known.contexts()
    whole = inspect.statistics(model, context).whole
    monkeypatch.setattr("hyperdnn.inspect._spread._PORTION", 8)
    parts = inspect.statistics(model, context).whole
    for name in ("between", "within", "rank", "cosine"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9)
    torch.testing.assert_close(parts.distances, whole.distances)


def test_a_hypernet_that_ignores_its_context_has_collapsed():
    found = inspect.statistics(known.model(adapts=""), known.contexts())
    assert found.whole.between == found.whole.rank == found.whole.variation == 0
    assert found.whole.cosine == pytest.approx(1)
    assert not found.whole.distances.any()
    assert found.troubles() == ("The generator has collapsed: all 6 contexts get the same weights.",)
    assert found.findings() == found.troubles()


def test_an_idle_coordinate_leaves_contexts_on_one_line():
    found = inspect.statistics(known.model(idle=(1,)), known.contexts())
    assert found.whole.rank == pytest.approx(1, abs=1e-3)
    assert found.troubles() == (
        "All 6 contexts lie on one line in the space of weights: effective rank 1.00, of 5 at most.",
    )
    assert inspect.statistics(known.model(), known.contexts()).whole.rank > 1.5


def test_contexts_that_differ_in_an_idle_coordinate_alone_are_dead():
    context = torch.tensor([[1.0, 0.0], [1.0, 2.0], [0.0, 1.0], [1.0, -3.0]])
    found = inspect.statistics(known.model(idle=(1,)), context, names=["a", "b", "c", "d"])
    assert found.troubles()[0] == "Dead contexts: 'a', 'b' and 'd' get the same weights."


def test_tensors_that_ignore_the_context_are_named():
    found = inspect.statistics(known.model(adapts="2.*"), known.contexts())
    by_name = {tensor.name: tensor for tensor in found.tensors}
    assert by_name["0.weight"].variation == by_name["0.bias"].rank == 0
    assert by_name["2.weight"].variation > 0.3
    assert found.troubles() == ("'0.weight' and '0.bias' ignore the context: the same for all.",)
    assert any("'2." in sentence and "differs most" in sentence for sentence in found.findings())
    one = inspect.statistics(known.model(adapts="*.weight"), known.contexts()).troubles()
    assert one == ("'0.bias' and '2.bias' ignore the context: the same for all.",)


def test_hardly_any_difference_is_said_in_numbers():
    model = known.model()
    with torch.no_grad():
        model.hypernet.slope *= 1e-4
    (said,) = inspect.statistics(model, known.contexts()).troubles()
    assert said.startswith("The generator has almost collapsed: contexts differ by 0.0")
    some = known.model()
    with torch.no_grad():
        some.target.layout.split(some.hypernet.slope)["0.weight"].mul_(1e-4)
    (said,) = inspect.statistics(some, known.contexts()).troubles()
    assert said.startswith("'0.weight' ignores the context: differences of 0.0")


def test_zeros_are_told_from_what_ignores_the_context():
    model = known.model()
    with torch.no_grad():
        for row in (model.hypernet.start, model.hypernet.slope):
            model.target.layout.split(row)["2.bias"].zero_()
    assert inspect.statistics(model, known.contexts()).troubles() == ("'2.bias' is zero for all contexts.",)
    with torch.no_grad():
        model.hypernet.start.zero_()
    context = torch.cat([known.contexts(3), torch.zeros(1, 2)])
    troubles = inspect.statistics(model, context).troubles()
    assert troubles[0] == "Dead contexts: '3' gets weights of zero."
    with torch.no_grad():
        model.hypernet.slope.zero_()
    every = inspect.statistics(model, context)
    assert every.troubles() == ("All generated weights are zero, for all 4.",)
    assert every.whole.variation == 0
    assert math.isnan(every.whole.cosine)


def test_weights_that_are_not_finite_are_named_and_nothing_else_is_said():
    model = known.model()
    found = inspect.statistics(model, torch.tensor([[0.0, 1.0], [math.inf, 0.0], [1.0, 1.0]]))
    assert found.findings() == found.troubles()
    assert found.troubles()[0].startswith("Generated weights are not finite: '0.weight', '0.bias', '2.weight' and 1")
    assert found.troubles()[0].endswith("for '1'.")
    assert math.isnan(found.whole.rank)
    json.dumps(found.to_json(), allow_nan=False)
    str(found)


def test_a_single_context_has_no_spread_between():
    found = inspect.statistics(known.model(), known.contexts(1))
    assert math.isnan(found.whole.between)
    assert math.isnan(found.whole.variation)
    assert found.troubles() == ()
    assert "what contexts differ by cannot be said" in found.findings()[0]


def test_two_contexts_have_no_nearest_pair():
    assert not any(
        "Nearest" in sentence for sentence in inspect.statistics(known.model(), known.contexts(2)).findings()
    )
    said = inspect.statistics(known.model(), known.contexts(3), names=["a", "b", "c"]).findings()
    assert any(sentence.startswith("Nearest to each other are '") for sentence in said)


def test_it_prints_a_table_and_gives_plain_data():
    found = inspect.statistics(known.model(), known.contexts())
    lines = str(found).splitlines()
    assert lines[0].split() == [
        "tensor",
        "numbers",
        "norm",
        "least",
        "most",
        "between",
        "within",
        "variation",
        "rank",
        "cosine",
    ]
    assert [line.split()[0] for line in lines[1:6]] == ["0.weight", "0.bias", "2.weight", "2.bias", "all"]
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["tensors"][0]["name"] == "0.weight"
    assert data["findings"] == list(found.findings())


def test_without_contexts_the_encoders_own_are_taken():
    model = hd.HyperDNN.for_tasks(nn.Linear(3, 2), num_tasks=5)
    assert inspect.statistics(model).names == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_number_formats(dtype):
    model = known.model().to(dtype)
    found = inspect.statistics(model, known.contexts().to(dtype))
    assert found.whole.norms.dtype == torch.float64
    assert found.troubles() == ()


def test_cells_of_one_context_count_together():
    target = hd.Target(nn.Linear(3, 2))
    encoder = encoders.Cells(1, 5, widths=(4,))
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 6), head=heads.FullHead(6, target.layout))
    found = inspect.statistics(hd.HyperDNN(target, hypernet), torch.rand(3, 1, 4, 6))
    assert found.whole.numbers == 2 * 3 * target.layout.numel
    assert found.whole.distances.shape == (3, 3)


def test_a_distribution_is_measured_by_its_scales():
    torch.manual_seed(0)
    target = hd.Target(nn.Linear(3, 2), combine=targets.Gaussian())
    encoder = encoders.Table(4, 5)
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(5, 6), head=heads.FullHead(6, target.layout))
    model = hd.HyperDNN(target, hypernet)
    found = inspect.statistics(model)
    assert [tensor.name for tensor in found.tensors] == ["weight.mean", "weight.scale", "bias.mean", "bias.scale"]
    scales = model.generate(torch.arange(4))["weight.log_scale"].detach().exp().double().flatten(1)
    torch.testing.assert_close(found.tensors[1].norms, scales.norm(dim=1))


def test_wrong_contexts_and_names_are_refused():
    model = known.model()
    with pytest.raises(ContextError, match=r"contexts \(n, ...\), one or more; the context dimensions are \(\)"):
        inspect.statistics(model, torch.zeros(2))
    with pytest.raises(ContextError, match=r"the context dimensions are \(0,\)"):
        inspect.statistics(model, torch.zeros(0, 2))
    with pytest.raises(ContextError, match="statistics cannot make contexts for NoneType: pass context="):
        inspect.statistics(model)
    with pytest.raises(ConfigError, match="one name for each of 6 contexts, got 1"):
        inspect.statistics(model, known.contexts(), names=["a"])


def test_nothing_of_the_model_is_changed():
    model = known.model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inspect.statistics(model, known.contexts())
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
