import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError


def layout() -> hd.ParamLayout:
    return hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))


def test_it_is_its_parts_in_turn() -> None:
    encoder, body, head = encoders.Table(3, 5), bodies.MLP(5, 8), heads.FullHead(8, layout())
    hypernet = hd.Hypernet(encoder=encoder, body=body, head=head)
    context = torch.tensor([2, 0])
    torch.testing.assert_close(hypernet(context), head(body(encoder(context))))
    assert hypernet.layout is head.layout


def test_slots_come_between_encoder_and_body() -> None:
    head = heads.ChunkedHead(8, layout(), 10)
    encoder, slots, body = encoders.Vector(5), encoders.Slots(head.slots, 4), bodies.MLP(9, 8)
    hypernet = hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head)
    context = torch.randn(2, 3, 5)
    torch.testing.assert_close(hypernet(context), head(body(slots(context))))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"body": bodies.MLP(6, 8)}, "body MLP takes 6 features, but the encoder's .* 5 wide"),
        ({"body": bodies.MLP(5, 9)}, "head FullHead takes 8 hidden, but the body's output is 9 wide"),
        ({"head": nn.Identity()}, "head Identity declares no layout"),
        ({"slots": encoders.Slots(3, 4)}, "FullHead takes no slots"),
        ({"body": bodies.Attention(5, 8)}, "body Attention mixes slots, and without slots= it would take"),
        ({"head": heads.ChunkedHead(8, layout(), 10)}, r"ChunkedHead takes 3 slots\. Add slots=encoders\.Slots\(3,"),
        (
            {
                "head": heads.ChunkedHead(8, layout(), 10),
                "slots": encoders.Slots(4, 2),
                "body": bodies.MLP(7, 8),
            },
            "ChunkedHead takes 3 slots, but slots= gives 4",
        ),
        (
            {"head": heads.ChunkedHead(8, layout(), 10), "slots": encoders.Slots(3, 2)},
            "body MLP takes 5 features, but the encoder's and slots' features together are 7 wide",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(parts: dict[str, nn.Module], words: str) -> None:
    default = {"encoder": encoders.Table(3, 5), "body": bodies.MLP(5, 8), "head": heads.FullHead(8, layout())}
    with pytest.raises(ConfigError, match=words):
        hd.Hypernet(**{**default, **parts})


class Body(nn.Module):
    """Somebody's module, whose layers happen to have the names of our widths."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(5, 6)
        self.hidden = nn.Linear(6, 8)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.hidden(self.features(features).relu())
        return out


def test_any_module_with_the_right_call_is_a_part() -> None:
    plain = nn.Sequential(nn.Linear(5, 8), nn.Tanh())
    hypernet = hd.Hypernet(encoder=nn.Embedding(3, 5), body=plain, head=heads.FullHead(8, layout()))
    assert hypernet(torch.arange(3))["0.weight"].shape == (3, 4, 3)


def test_a_part_whose_layers_are_called_features_and_hidden_is_no_misfit() -> None:
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 5), body=Body(), head=heads.FullHead(8, layout()))
    assert hypernet(torch.arange(3))["0.weight"].shape == (3, 4, 3)


def test_features_that_no_context_has_make_weights_too() -> None:
    target = hd.Target(nn.Linear(3, 2))
    encoder = encoders.Table(2, 4)
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(4, 5), head=heads.FullHead(5, target.layout))
    between = encoder(torch.arange(2)).mean(0)
    torch.testing.assert_close(hypernet.from_features(encoder(torch.tensor(1))), hypernet(torch.tensor(1)))
    assert {name: tuple(weight.shape) for name, weight in hypernet.from_features(between).items()} == {
        "weight": (2, 3),
        "bias": (2,),
    }
