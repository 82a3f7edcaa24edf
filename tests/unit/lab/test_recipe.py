from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from hyperdnn import lab
from hyperdnn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0


def _recipe(config: type = Config, claims: tuple[lab.Claim, ...] = ()) -> lab.Recipe:
    part = SimpleNamespace
    return lab.Recipe(
        summary="toy",
        config=config,
        build=part,
        data=part,
        step=part,
        evaluate=part,
        loop=part,
        reference=lab.Reference(title="T", authors="A", venue="V", year=2000),
        claims=claims,
    )


def test_the_system_itself_is_the_first_variant():
    assert list(_recipe().variants) == ["hypernet"]


@pytest.mark.parametrize("metric", ["final_accuracy", "/final_accuracy", "hypernet/"])
def test_a_claim_names_variant_and_metric(metric):
    with pytest.raises(ConfigError, match="<variant>/<metric>"):
        lab.Claim(text="t", config="default", metric=metric, at_least=1.0)


def test_a_claim_without_a_bound_cannot_be_judged():
    with pytest.raises(ConfigError, match="at_least, at_most or both"):
        lab.Claim(text="t", config="default", metric="hypernet/x")


def test_a_bound_written_as_a_whole_number_is_a_number():
    claim = lab.Claim(text="t", config="default", metric="hypernet/x", at_most=10)
    assert repr((claim.at_least, claim.at_most)) == "(None, 10.0)"


def test_a_claim_is_about_a_variant_of_the_recipe():
    claim = lab.Claim(text="t", config="default", metric="hypernets/x", at_most=1.0)
    with pytest.raises(ConfigError, match=r"no variant 'hypernets'. Did you mean 'hypernet'\?"):
        _recipe(claims=(claim,))


@pytest.mark.parametrize("name", ["minus", "over"])
def test_what_a_claim_compares_with_is_a_variant_of_the_recipe_too(name):
    with pytest.raises(ConfigError, match=f"{name} \"<variant>/<metric>\", got 'x'"):
        lab.Claim(text="t", config="default", metric="hypernet/x", at_most=1.0, **{name: "x"})
    claim = lab.Claim(text="t", config="default", metric="hypernet/x", at_most=1.0, **{name: "plian/x"})
    with pytest.raises(ConfigError, match="no variant 'plian'"):
        _recipe(claims=(claim,))


def test_a_claim_compares_in_one_way():
    with pytest.raises(ConfigError, match="exclude each other"):
        lab.Claim(text="t", config="default", metric="a/x", minus="b/x", over="c/x", at_most=1.0)


def test_a_claim_can_be_about_several_settings():
    claim = lab.Claim(text="t", config=("a", "b", "c"), hold=2, metric="hypernet/x", at_most=1.0)
    assert claim.settings == ("a", "b", "c")
    assert lab.Claim(text="t", config="a", metric="hypernet/x", at_most=1.0).settings == ("a",)


@pytest.mark.parametrize(("config", "hold"), [("a", 2), (("a", "b"), 0), (("a", "b"), 3)])
def test_a_claim_holds_in_a_number_of_its_settings(config, hold):
    with pytest.raises(ConfigError, match=f"hold: expected 1 to .*, got {hold}"):
        lab.Claim(text="t", config=config, hold=hold, metric="hypernet/x", at_most=1.0)


def test_a_claim_without_a_setting_cannot_be_measured():
    with pytest.raises(ConfigError, match='Name one: config="default"'):
        lab.Claim(text="t", config=(), metric="hypernet/x", at_most=1.0)


def test_a_configuration_is_frozen():
    @dataclass
    class Loose:
        seed: int = 0

    with pytest.raises(ConfigError, match="Loose: expected a frozen dataclass"):
        _recipe(config=Loose)


def test_a_configuration_has_a_seed():
    @dataclass(frozen=True)
    class Seedless:
        beta: float = 0.1

    with pytest.raises(ConfigError, match="Seedless: has no seed"):
        _recipe(config=Seedless)
