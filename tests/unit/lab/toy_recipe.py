"""A toy system, for tests of everything around a recipe.

It learns nothing.
"""

from dataclasses import dataclass

from hyperdnn import lab


@dataclass(frozen=True, kw_only=True)
class Train:
    iterations: int = 10
    lr: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Config:
    seed: int = 0
    beta: float = 0.01  # strength of the penalty
    hidden: tuple[int, ...] = (8, 8)
    source: str = "digits"
    train: Train = Train(iterations=50)


def _nothing(*_: object) -> dict[str, float]:
    return {}


RECIPE = lab.Recipe(
    summary="learns nothing",
    config=Config,
    build=_nothing,
    data=_nothing,
    step=_nothing,
    evaluate=_nothing,
    loop=_nothing,
    reference=lab.Reference(title="Toys", authors="Toymaker, Friend & Child", venue="Journal of Toys", year=1999),
    claims=(
        lab.Claim(
            text="It is accurate.",
            config="default",
            metric="hypernet/final_accuracy",
            at_least=0.5,
            published=97.5,
            source="table 1",
        ),
        lab.Claim(text="It is small.", config="tiny", metric="hypernet/trained_parameters", at_most=10),
    ),
    variants={"hypernet": lab.Variant(), "fine-tuning": lab.Variant(changes={"beta": 0.0})},
)
