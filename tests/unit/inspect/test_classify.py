import json

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models
from hyperdnn.errors import ConfigError
from hyperdnn.inspect import Classification
from hyperdnn.lab._discover import configuration, load
from hyperdnn.layout import ParamLayout
from hyperdnn.typing import Weights


class Own(nn.Module):
    """A user's hypernet of one piece, which generates the same for all."""

    def __init__(self, layout: ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.flat = nn.Parameter(torch.zeros(layout.numel))

    def forward(self, context: Tensor) -> Weights:
        return self.layout.split(self.flat.expand(*context.shape, -1))


class OwnHead(nn.Module):
    """A user's head."""

    slots = None

    def __init__(self, hidden: int, layout: ParamLayout) -> None:
        super().__init__()
        self.layout = layout
        self.linear = nn.Linear(hidden, layout.numel)

    def forward(self, features: Tensor) -> Weights:
        return self.layout.split(self.linear(features))


class Scaled(nn.Module):
    """A user's body, built of no known layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale


class Mean(nn.Module):
    """A user's encoder without weights."""

    features = 6

    def forward(self, context: Tensor) -> Tensor:
        return context.mean(-2)


def build(
    encoder: nn.Module | None = None, body: nn.Module | None = None, head: type[nn.Module] = heads.FullHead, *sizes: int
) -> hd.HyperDNN:
    """A model of features 6 throughout."""
    target = hd.Target(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    made = head(6, target.layout, *sizes)
    return _model(target, encoder or encoders.Table(3, 6), body, made)


def _model(target: hd.Target, encoder: nn.Module, body: nn.Module | None, head: nn.Module) -> hd.HyperDNN:
    slots = getattr(head, "slots", None)
    width = 6 if slots is None else 8
    after = None if slots is None else encoders.Slots(slots, 2)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, slots=after, body=body or bodies.MLP(width, 6), head=head))


ENCODERS = {
    "Table": (lambda: encoders.Table(3, 6), "task", "static"),
    "Vector": (lambda: encoders.Vector(6), "task", "static"),
    "ScaledVector": (lambda: encoders.ScaledVector([(0.0, 1.0)] * 6), "task", "static"),
    "QuarterCircle": (lambda: encoders.QuarterCircle([(0.0, 1.0)] * 3), "task", "static"),
    "Fourier": (lambda: encoders.Fourier(2, 3), "task", "static"),
    "Simplex": (lambda: encoders.Simplex(6), "task", "static"),
    "Noise": (lambda: encoders.Noise(6), "noise", "dynamic"),
    "UniformNoise": (lambda: encoders.UniformNoise(6), "noise", "dynamic"),
    "LearnedNoise": (lambda: encoders.LearnedNoise(6), "noise", "dynamic"),
    "Image": (lambda: encoders.Image(1, 6, widths=(4,)), "data", "dynamic"),
    "Cells": (lambda: encoders.Cells(1, 6, widths=(4,)), "data", "dynamic"),
    "Set": (lambda: encoders.Set(3, 6, hidden=8, num_heads=2), "data", "dynamic"),
    "Sequence": (lambda: encoders.Sequence(3, 6, hidden=8), "data", "dynamic"),
    "Graph": (lambda: encoders.Graph(3, 6, hidden=8, num_heads=2), "data", "dynamic"),
    "FromModule": (lambda: encoders.FromModule(nn.Linear(3, 6), 6), "data", "dynamic"),
    "Frozen": (lambda: encoders.Frozen(encoders.Table(3, 6)), "task", "static"),
    "Mean": (Mean, "data", "dynamic"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_the_input_is_known_by_the_encoder(name: str) -> None:
    make, source, variability = ENCODERS[name]
    found = hd.classify(build(make()))
    assert found.input.values == (f"{source}-conditioned",)
    assert found.input_variability.values == (variability,)


def test_every_encoder_of_the_library_was_asked() -> None:
    holders = {"Join", "WeightedSum", "Slots", "Nodes"}  # with others below; and no encoders of contexts
    assert set(encoders.__all__) - holders <= {*ENCODERS, "Tokens"}


@pytest.mark.parametrize("join", [encoders.Join, encoders.WeightedSum])
def test_several_encoders_may_be_conditioned_on_several_things(join: type[nn.Module]) -> None:
    parts = (encoders.Table(3, 6), encoders.Frozen(encoders.Image(1, 6, widths=(4,))), encoders.Table(2, 6))
    encoder = join(*parts)
    found = hd.classify(build(encoder, bodies.MLP(encoder.features, 6)))
    assert found.input.values == ("task-conditioned", "data-conditioned")
    assert found.input.reason == "Table; Image: assumed to read data, else say conditioned_on="
    assert found.input_variability.values == ("static", "dynamic")
    assert (found.architecture.values, found.architecture.reason) == (("MLP", "CNN"), "body MLP; encoder Image")


def test_one_says_what_an_encoder_leaves_open() -> None:
    found = hd.classify(build(encoders.Vector(6)), conditioned_on="data")
    assert found.input.values == ("data-conditioned",)
    assert found.input.reason == "Vector: as told"
    assert found.input_variability.values == ("dynamic",)
    joined = encoders.Join(encoders.Noise(2), encoders.FromModule(nn.Linear(3, 4), 4))
    assert hd.classify(build(joined), conditioned_on="task").input.values == ("noise-conditioned", "task-conditioned")


def test_what_an_encoder_says_itself_cannot_be_told_otherwise() -> None:
    with pytest.raises(ConfigError, match="conditioned_on='data', but Table leaves nothing open: leave the argument"):
        hd.classify(build(), conditioned_on="data")


def test_several_hypernets_are_what_each_of_them_is() -> None:
    target = hd.Target(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    layouts = [target.layout.select("0.*"), target.layout.select("1.*")]
    stages = [encoders.Table(3, 6), encoders.Vector(6)], [bodies.MLP(6, 6), bodies.Linear(6, 6)]
    made = [heads.FullHead(6, layouts[0]), heads.MultiHead(6, layouts[1])]
    parts = [hd.Hypernet(encoder=e, body=b, head=h) for e, b, h in zip(*stages, made, strict=True)]
    found = hd.classify(hd.HyperDNN(target, models.Join(target.layout, parts)), conditioned_on="data")
    assert found.input.values == ("task-conditioned", "data-conditioned")
    assert found.output.values == ("generate multiple", "generate once")
    assert found.output.reason.startswith("Join of 2 heads; ")
    assert found.architecture.values == ("MLP", "linear")
    mixture = models.WeightMixture(parts[0], gate=encoders.FromModule(nn.Linear(3, 3), 3))
    found = hd.classify(hd.HyperDNN(hd.Target(nn.Sequential(nn.Linear(4, 3))), mixture))
    assert found.input.values == ("task-conditioned", "data-conditioned")
    assert found.output.values == ("generate once",)
    stack = models.Stack([parts[0], Own(layouts[0])])
    assert hd.classify(hd.HyperDNN(hd.Target(nn.Sequential(nn.Linear(4, 3))), stack)).output.values == ("unknown",)


def test_an_unknown_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ConfigError, match="expected 'task', 'data' or 'noise', got 'images'"):
        hd.classify(build(encoders.Vector(6)), conditioned_on="images")


HEADS = {
    "FullHead": ((), ("generate once",), "FullHead: one map to all weights"),
    "MultiHead": ((), ("generate multiple",), "MultiHead: an output map for each of 4 tensors"),
    "ChunkedHead": ((5,), ("chunk-wise",), "ChunkedHead: 5 chunks of 5 numbers"),
    "ComponentHead": ((), ("component-wise",), "ComponentHead: 2 components, each a layer"),
    "CoordinateHead": ((), ("component-wise",), "CoordinateHead: each of 23 weights a function of its position"),
    "FactoredHead": (
        (2,),
        ("generate once", "low-rank"),
        "FactoredHead: one map to factors of rank 2 (low-rank is not the review's word)",
    ),
    "TiledHead": (
        (),
        ("component-wise",),
        "TiledHead: a row for each node, made tensors with tiles of (16, 16, 3, 3)",
    ),
    "NodeHead": ((), ("component-wise",), "NodeHead: a row for each node, a map for each of 4 shapes"),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_output_is_known_by_the_head(name: str) -> None:
    sizes, values, reason = HEADS[name]
    found = hd.classify(build(None, None, getattr(heads, name), *sizes)).output
    assert (found.values, found.reason) == (values, reason)


def test_every_head_of_the_library_was_asked() -> None:
    assert set(heads.__all__) == {*HEADS, "FlatHead", "Join", "Linked"}


def test_a_flow_that_makes_all_weights_is_known() -> None:
    target = hd.Target(nn.Linear(4, 3))
    found = hd.classify(_model(target, encoders.Noise(15), bodies.Flow(15), heads.FlatHead(target.layout)))
    assert (found.output.values, found.output.reason) == (
        ("generate once",),
        "FlatHead: the body's output is the weights",
    )
    assert (found.architecture.values, found.architecture.reason) == (("MLP",), "body Flow")


def test_a_head_of_yours_is_unknown() -> None:
    found = hd.classify(build(None, None, OwnHead)).output
    assert (found.values, found.reason) == (("unknown",), "OwnHead is a head of yours")


def test_joined_and_linked_heads_count_by_what_they_hold() -> None:
    target = hd.Target(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    layout = target.layout
    linked = heads.Linked(layout.select("0.*"), {"0.bias": "one_plus"}, lambda part: heads.FullHead(6, part))
    joined = heads.Join(layout, [linked, heads.ChunkedHead(6, layout.select("1.*"), 4)])
    found = hd.classify(_model(target, encoders.Table(3, 6), None, joined)).output
    assert found.values == ("generate multiple", "generate once", "chunk-wise")
    assert found.reason == "Join of 2 heads; FullHead: one map to all weights; ChunkedHead: 2 chunks of 4 numbers"


def test_a_join_of_one_head_is_that_head() -> None:
    target = hd.Target(nn.Linear(4, 3))
    joined = heads.Join(target.layout, [heads.FullHead(6, target.layout)])
    assert hd.classify(_model(target, encoders.Table(3, 6), None, joined)).output.values == ("generate once",)


BODIES = {
    "MLP": (lambda: bodies.MLP(8, 6), "MLP"),
    "Linear": (lambda: bodies.Linear(8, 6), "linear"),
    "CNN": (lambda: bodies.CNN(8, 6), "CNN"),
    "RNN": (lambda: bodies.RNN(8, 6), "RNN"),
    "Attention": (lambda: bodies.Attention(8, 6, heads=2), "attention"),
    "Graph": (lambda: bodies.Graph(8, 6, (5, ())), "graph"),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_architecture_is_known_by_the_body(name: str) -> None:
    make, kind = BODIES[name]
    found = hd.classify(build(None, make(), heads.ChunkedHead, 5)).architecture
    assert (found.values, found.reason) == ((kind,), f"body {name}")


def test_every_body_of_the_library_was_asked() -> None:
    assert set(bodies.__all__) == {*BODIES, "CrossAttention", "Deconv", "Flow"}


def test_bodies_that_read_tokens_or_make_slots_are_known_too() -> None:
    target = hd.Target(nn.Linear(4, 3))
    head = heads.ChunkedHead(6, target.layout, 5)
    body, slots = bodies.CrossAttention(2, 6, 6, heads=2), encoders.Slots(3, 2)
    reading = hd.Hypernet(encoder=encoders.Tokens(6), slots=slots, body=body, head=head)
    making = hd.Hypernet(encoder=encoders.Vector(6), body=bodies.Deconv(6, 4, 6, slots=3), head=head)
    read, made = hd.classify(hd.HyperDNN(target, reading)), hd.classify(hd.HyperDNN(target, making))
    assert (read.architecture.values, read.architecture.reason) == (("attention",), "body CrossAttention")
    assert (read.input.values, read.input_variability.values) == (("data-conditioned",), ("dynamic",))
    assert (made.architecture.values, made.architecture.reason) == (("CNN",), "body Deconv")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (nn.Sequential(nn.Linear(6, 6), nn.Tanh()), "MLP"),
        (nn.Linear(6, 6), "linear"),
        (nn.Sequential(nn.Unflatten(-1, (1, 6)), nn.Conv1d(1, 1, 1), nn.Flatten(-2)), "CNN"),
        (nn.GRUCell(6, 6), "RNN"),
        (nn.TransformerEncoderLayer(6, 2), "attention"),
        (Scaled(), "unknown"),
        (nn.Identity(), "linear"),
    ],
)
def test_a_body_of_yours_is_known_by_its_layers(body: nn.Module, kind: str) -> None:
    assert hd.classify(build(None, body)).architecture.values == (kind,)


@pytest.mark.parametrize(
    ("encoder", "kinds"),
    [
        ("Image", ("linear", "CNN")),
        ("Sequence", ("linear", "RNN")),
        ("Set", ("linear", "attention")),
        ("Graph", ("linear", "graph", "attention")),
        ("LearnedNoise", ("linear",)),
        ("Mean", ("linear",)),
    ],
)
def test_an_encoder_that_transforms_belongs_to_the_architecture(encoder: str, kinds: tuple[str, ...]) -> None:
    made = ENCODERS[encoder][0]()
    assert hd.classify(build(made, bodies.Linear(6, 6))).architecture.values == kinds


def test_what_is_not_known_says_so() -> None:
    found = hd.classify(build(Mean(), Scaled())).architecture
    assert (found.values, found.reason) == (("unknown",), "body Scaled: built of no layer that is known here")


def test_a_wrapped_encoder_is_known_by_what_is_wrapped() -> None:
    for module, kinds in ((nn.Linear(3, 6), ("linear",)), (nn.Sequential(nn.Linear(3, 6)), ("linear", "MLP"))):
        encoder = encoders.Frozen(encoders.FromModule(module, 6))
        assert hd.classify(build(encoder, bodies.Linear(6, 6))).architecture.values == kinds


def own() -> hd.HyperDNN:
    target = hd.Target(nn.Linear(4, 3))
    return hd.HyperDNN(target, Own(target.layout))


def test_architectures_that_come_with_the_call_make_weights_of_any_shape() -> None:
    nodes = encoders.Nodes(("input", "Linear", "output"), 8)
    model = hd.GraphHypernet(nodes=nodes, body=bodies.Graph(8, 6), head=heads.TiledHead(6))
    found = hd.classify(model)
    assert found.input.values == ("task-conditioned",)
    assert found.output.values == ("component-wise",)
    assert found.input_variability.values == ("static",)
    assert found.output_variability.values == ("dynamic",)
    assert found.output_variability.reason == "names and shapes come with the architecture"
    assert found.architecture.values == ("graph",)
    plain = hd.GraphHypernet(nodes=nodes, body=bodies.MLP(8, 6), head=heads.NodeHead(6, shapes=[(2, 3)]))
    assert hd.classify(plain).architecture.values == ("MLP",)
    with pytest.raises(ConfigError, match="a GraphHypernet leaves nothing open"):
        hd.classify(model, conditioned_on="data")


def test_a_hypernet_of_one_piece_tells_only_its_layout() -> None:
    found = hd.classify(own())
    for criterion in (found.input, found.output, found.input_variability, found.architecture):
        assert criterion.values == ("unknown",)
        assert criterion.reason == "Own is not a Hypernet: it has no parts to look at"
    assert found.output_variability.values == ("static",)
    assert found.output_variability.reason == "one layout of 2 tensors for all contexts"


def test_the_user_tells_what_such_a_hypernet_is_conditioned_on() -> None:
    found = hd.classify(own(), conditioned_on="noise")
    assert found.input.values == ("noise-conditioned",)
    assert found.input_variability.values == ("dynamic",)


def test_printed_as_a_table() -> None:
    assert str(hd.classify(build())).splitlines() == [
        "input               task-conditioned  Table",
        "output              generate once     FullHead: one map to all weights",
        "input variability   static            a task's context is the same for all samples",
        "output variability  static            one layout of 4 tensors for all contexts",
        "architecture        MLP               body MLP",
    ]


def test_json_holds_plain_values() -> None:
    found = hd.classify(build(None, None, heads.FactoredHead, 2))
    data = found.to_json()
    assert list(data) == ["input", "output", "input_variability", "output_variability", "architecture"]
    assert data["output"] == {"values": ["generate once", "low-rank"], "reason": found.output.reason}
    assert json.loads(json.dumps(data)) == data


def test_the_model_stays_as_it_is() -> None:
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert isinstance(hd.classify(model), Classification)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_continual_recipe_is_what_the_review_says() -> None:
    """von Oswald et al. in its table: task-conditioned, here in the chunk-wise form, static, static, MLP."""
    name = "continual/task_conditioned"
    found = hd.classify(load(name).build(configuration(name, "tiny")))
    assert [row["values"] for row in found.to_json().values()] == [
        ["task-conditioned"],
        ["chunk-wise"],
        ["static"],
        ["static"],
        ["MLP"],
    ]


@pytest.mark.parametrize("wrap", [models.Conditioned, models.OutputMixture, hd.Cached])
def test_what_only_holds_a_model_says_where_it_is(monkeypatch: pytest.MonkeyPatch, wrap: type[nn.Module]) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigError, match=rf"takes a HyperDNN .*, got a {wrap.__name__}\. Pass its \.model"):
        hd.classify(wrap(build()))
    with pytest.raises(ConfigError, match=r"got a Hypernet\.$"):
        hd.classify(build().hypernet)
