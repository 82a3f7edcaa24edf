import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.errors import ConfigError


def layout() -> hd.ParamLayout:
    return hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))


def chunked() -> heads.ChunkedHead:
    return heads.ChunkedHead(8, layout(), 10)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"encoder": encoders.Vector(3)},
            r"CrossAttention reads tokens, but encoder Vector gives one row .* Use encoders\.Tokens",
        ),
        (
            {"body": bodies.Attention(5, 8)},
            r"Tokens gives tokens, which body Attention does not read\. Use bodies\.Cross",
        ),
        ({"body": bodies.MLP(3, 8), "slots": None, "head": heads.FullHead(8, layout())}, r"or encoders\.Set"),
        ({"slots": None}, r"body CrossAttention needs slots to read the tokens.* slots=encoders\.Slots\(head\.slots"),
        ({"slots": encoders.Slots(3, 4)}, "CrossAttention takes 5 features, but the slots' features are 4 wide"),
        ({"encoder": encoders.Tokens(4)}, "CrossAttention takes 3 token_features, but the encoder's tokens are 4 wide"),
        ({"slots": encoders.Slots(4, 5)}, "ChunkedHead takes 3 slots, but slots= gives 4"),
        ({"head": heads.FullHead(8, layout())}, "FullHead takes no slots"),
        ({"head": heads.ChunkedHead(9, layout(), 10)}, "ChunkedHead takes 9 hidden, but the body's output is 8 wide"),
    ],
)
def test_a_body_that_reads_tokens_has_tokens_and_slots(parts: dict[str, nn.Module], words: str) -> None:
    default = {
        "encoder": encoders.Tokens(3),
        "slots": encoders.Slots(3, 5),
        "body": bodies.CrossAttention(5, 3, 8),
        "head": chunked(),
    }
    assert hd.Hypernet(**default)(torch.randn(6, 3))["0.weight"].shape == (4, 3)
    with pytest.raises(ConfigError, match=words):
        hd.Hypernet(**{**default, **parts})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"slots": encoders.Slots(3, 2)}, r"body Deconv makes the slots itself\. Leave out slots="),
        (
            {"head": heads.FullHead(8, layout())},
            r"FullHead takes no slots, but body Deconv makes them\. Use bodies\.MLP",
        ),
        ({"body": bodies.Deconv(5, 8, 8, slots=4)}, "ChunkedHead takes 3 slots, but body Deconv gives 4"),
        ({"body": bodies.Deconv(6, 8, 8, slots=3)}, "Deconv takes 6 features, but the encoder's .* 5 wide"),
    ],
)
def test_a_body_that_makes_slots_is_given_none(parts: dict[str, nn.Module], words: str) -> None:
    default = {"encoder": encoders.Vector(5), "body": bodies.Deconv(5, 8, 8, slots=3), "head": chunked()}
    assert hd.Hypernet(**default)(torch.randn(2, 5))["0.weight"].shape == (2, 4, 3)
    with pytest.raises(ConfigError, match=words):
        hd.Hypernet(**{**default, **parts})


class Words(nn.Module):
    """Somebody's encoder whose embedding happens to have the name of our trait."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(9, 5)
        self.cross = nn.Linear(5, 5)

    def forward(self, words: Tensor) -> Tensor:
        out: Tensor = self.cross(self.tokens(words)).mean(-2)
        return out


def test_a_part_whose_layers_have_the_names_of_traits_declares_nothing() -> None:
    hypernet = hd.Hypernet(encoder=Words(), body=bodies.MLP(5, 8), head=heads.FullHead(8, layout()))
    assert hypernet(torch.arange(6).view(2, 3))["0.weight"].shape == (2, 4, 3)


class Patches(nn.Module):
    """Somebody's encoder that gives tokens: the columns of an image, of which the last is not there."""

    tokens = True
    features = 3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        columns = images.mT
        return columns, torch.arange(columns.shape[-2]).expand(columns.shape[:-1]) < columns.shape[-2] - 1


@pytest.mark.parametrize("wrap", [lambda encoder: encoder, encoders.Frozen])
def test_an_encoder_of_yours_may_give_tokens(wrap: object) -> None:
    slots, body, head = encoders.Slots(3, 5), bodies.CrossAttention(5, 3, 8), chunked()
    hypernet, images = hd.Hypernet(encoder=wrap(Patches()), slots=slots, body=body, head=head), torch.randn(2, 4, 3, 6)
    out = hypernet(images)["1.bias"]
    assert out.shape == (2, 4, 2)
    images[..., -1] = torch.nan
    torch.testing.assert_close(hypernet(images)["1.bias"], out)
    queries = slots.embeddings
    torch.testing.assert_close(out[1, 2], head(body(queries, images[1, 2, :, :5].mT))["1.bias"])


class Reader(nn.Module):
    """Somebody's body that reads tokens."""

    cross = True

    def forward(self, slots: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        return slots + tokens.mean(-2, keepdim=True)


def test_a_body_of_yours_may_read_tokens() -> None:
    head, slots = heads.ChunkedHead(5, layout(), 10), encoders.Slots(3, 5)
    hypernet, tokens = (
        hd.Hypernet(encoder=encoders.Tokens(5), slots=slots, body=Reader(), head=head),
        torch.randn(2, 6, 5),
    )
    expected = head(slots.embeddings + tokens.mean(-2, keepdim=True))
    torch.testing.assert_close(hypernet(tokens), expected)
    torch.testing.assert_close(torch.vmap(hypernet)(tokens), expected)


@pytest.mark.parametrize(("contexts", "n"), [((0,), 4), ((2, 0), 4), ((2,), 0), ((), 0)])
def test_no_context_and_no_token_are_defined(contexts: tuple[int, ...], n: int) -> None:
    body, head = bodies.CrossAttention(5, 3, 8), chunked()
    hypernet = hd.Hypernet(encoder=encoders.Tokens(3), slots=encoders.Slots(3, 5), body=body, head=head)
    weights = hypernet(torch.randn(*contexts, n, 3))
    assert hypernet.layout.check(weights) == contexts
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_an_encoder_of_tokens_joins_no_others() -> None:
    with pytest.raises(ConfigError, match=r"Join: Tokens gives tokens, many rows for each context\. Use encoders\.Set"):
        encoders.Join(encoders.Vector(3), encoders.Tokens(3))
