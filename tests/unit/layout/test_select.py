import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.errors import LayoutError
from hyperdnn.layout._select import qualified


class MyLinear(nn.Linear):
    pass


class Tied(nn.Module):
    """An embedding whose weight is the output map's too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.output = nn.Linear(3, 5)
        self.output.weight = self.embedding.weight


@pytest.fixture
def layout() -> ParamLayout:
    net = nn.Sequential(nn.Conv1d(2, 3, 1), nn.LayerNorm(3), nn.Linear(3, 4), MyLinear(4, 2, bias=False))
    return ParamLayout.of(net)


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["2.*"], ("2.weight", "2.bias")),
        (["*.bias"], ("0.bias", "1.bias", "2.bias")),
        (["2.weight"], ("2.weight",)),
        (["[02].weight"], ("0.weight", "2.weight")),
        ([nn.Linear], ("2.weight", "2.bias", "3.weight")),
        ([MyLinear], ("3.weight",)),
        ([nn.Linear, nn.LayerNorm], ("1.weight", "1.bias", "2.weight", "2.bias", "3.weight")),
        ([lambda spec: spec.kind == "bias"], ("0.bias", "2.bias")),
        ([lambda spec: spec.numel > 8], ("2.weight",)),
        (["3.*", "0.bias", nn.LayerNorm], ("0.bias", "1.weight", "1.bias", "3.weight")),
        (["2.*", "*.bias"], ("0.bias", "1.bias", "2.weight", "2.bias")),
    ],
)
def test_selectors_are_a_union_in_layout_order(
    layout: ParamLayout, selectors: list[object], names: tuple[str, ...]
) -> None:
    assert layout.select(*selectors).names == names


def test_the_base_of_all_layers_selects_everything(layout: ParamLayout) -> None:
    assert layout.select(nn.Module).names == layout.names


@pytest.mark.parametrize("glob", ["embedding.*", "output.weight", "embedding.weight"])
def test_a_tied_tensor_answers_to_all_its_names(glob: str) -> None:
    (spec,) = ParamLayout.of(Tied()).select(glob)
    assert spec.names == ("embedding.weight", "output.weight")


@pytest.mark.parametrize(("layer", "names"), [(nn.Embedding, {"embedding.weight"}), (nn.Linear, None)])
def test_a_tied_tensor_belongs_to_all_its_layers(layer: type[nn.Module], names: set[str] | None) -> None:
    assert set(ParamLayout.of(Tied()).select(layer).names) == (names or {"embedding.weight", "output.bias"})


def test_a_name_that_holds_glob_characters_selects_only_itself() -> None:
    module = nn.ParameterDict({"[ab]": torch.zeros(1), "a": torch.zeros(1)})
    assert ParamLayout.of(module).select("[ab]").names == ("[ab]",)
    assert ParamLayout.of(module).select("[a]").names == ("a",)


def test_every_selector_must_match(layout: ParamLayout) -> None:
    with pytest.raises(LayoutError, match=r"select='4\.\*' matches no parameter"):
        layout.select("2.*", "4.*")


def test_a_layer_type_that_is_absent_is_answered_by_those_present(layout: ParamLayout) -> None:
    with pytest.raises(LayoutError, match=r"select=GRU .* Found: Conv1d, LayerNorm, Linear, MyLinear"):
        layout.select(nn.GRU)


def test_a_predicate_that_matches_nothing_is_answered_by_names(layout: ParamLayout) -> None:
    with pytest.raises(LayoutError, match=r"matches no parameter of '0\.weight', '0\.bias'"):
        layout.select(lambda spec: spec.numel > 100)


def test_a_layer_is_kept_by_its_full_name() -> None:
    assert qualified(nn.Linear) == "torch.nn.modules.linear.Linear"
