import pytest
from torch import nn

from hyperdnn import ParamLayout
from hyperdnn.errors import LayoutError
from hyperdnn.targets._places import check_untouched, places, take_away


def tied() -> tuple[nn.Sequential, ParamLayout]:
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3, bias=False)))
    module[1][0].weight = module[0].weight
    return module, ParamLayout.of(module)


def test_every_name_has_a_place_aliases_included() -> None:
    module, layout = tied()
    found = [(owner, leaf, name) for owner, leaf, name in places(module, layout)]
    assert found == [
        (module[0], "weight", "0.weight"),
        (module[1][0], "weight", "1.0.weight"),
        (module[0], "bias", "0.bias"),
    ]


def test_what_is_taken_away_is_no_parameter_but_still_an_attribute() -> None:
    module, layout = tied()
    take_away(places(module, layout))
    assert list(module.parameters()) == []
    assert module[0].weight is module[1][0].weight is None
    assert module.state_dict() == {}
    check_untouched(module, layout)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda m: m.__setitem__(0, nn.Linear(3, 3)), "0.weight"),
        (lambda m: m.__setitem__(0, nn.Identity()), "0.weight"),
        (lambda m: m.__delitem__(1), "1.0.weight"),
        (lambda m: setattr(m[1][0], "weight", nn.Parameter(nn.Linear(3, 3).weight)), "1.0.weight"),
    ],
    ids=["replaced", "replaced_by_another_kind", "removed", "filled_again"],
)
def test_a_change_behind_the_back_is_named(change: object, name: str) -> None:
    module, layout = tied()
    take_away(places(module, layout))
    change(module)
    with pytest.raises(LayoutError, match=f"'{name}' is no longer where its generated weight belongs"):
        check_untouched(module, layout)
