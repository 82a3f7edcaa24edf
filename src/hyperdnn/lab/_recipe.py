"""What a recipe declares about itself: its parts, its publication, its claims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, final

from hyperdnn.errors import ConfigError, nearest


@final
@dataclass(frozen=True, kw_only=True)
class Reference:
    """The publication that a recipe follows."""

    title: str
    authors: str
    venue: str
    year: int
    url: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence of the publication, as a bound on a measured number.

    The bound is set before the measurement. A claim that fails is reported as failed; it is not adjusted.

    Args:
        text: the claim in words.
        config: the setting it is measured in, ``configs/<family>/<recipe>.<config>.yaml``; ``"default"`` is
            ``configs/<family>/<recipe>.yaml``. Several for a claim about several sets of data.
        hold: in how many of several settings it must hold: for "on two of three sets". None for all.
        metric: ``"<variant>/<metric>"``; the mean over seeds is compared. ``seconds`` and ``training_seconds`` are
            metrics, too.
        minus: another ``"<variant>/<metric>"``, whose mean is subtracted before: for "better by two points".
        over: another one, by whose mean it is divided: for "at most half of".
        at_least: the lowest mean that still supports the claim.
        at_most: the highest mean that still supports the claim.
        published: the figure in the publication, in its own unit.
        source: where that figure stands, such as ``"table 1"``.

    Raises:
        ConfigError: a metric names no variant, no setting or no bound is given, both `minus` and `over` are, or `hold`
            is no number of settings.
    """

    text: str
    config: str | tuple[str, ...]
    metric: str
    hold: int | None = None
    minus: str = ""
    over: str = ""
    at_least: int | float | None = None
    at_most: int | float | None = None
    published: int | float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("metric", "minus", "over"):
            value = getattr(self, name)
            if (value or name == "metric") and not all(value.partition("/")):
                raise ConfigError(f"claim '{self.text}': expected {name} \"<variant>/<metric>\", got '{value}'.")
        if self.minus and self.over:
            raise ConfigError(f"claim '{self.text}': minus and over exclude each other.")
        if self.at_least is None and self.at_most is None:
            raise ConfigError(f"claim '{self.text}': nothing to compare with. Give at_least, at_most or both.")
        if not self.settings:
            raise ConfigError(f"claim '{self.text}': no setting. Name one: config=\"default\".")
        if self.hold is not None and not 0 < self.hold <= len(self.settings):
            raise ConfigError(
                f"claim '{self.text}': hold: expected 1 to {len(self.settings)} settings, got {self.hold}."
            )
        for name in ("at_least", "at_most", "published"):  # counts are written as whole numbers
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    @property
    def settings(self) -> tuple[str, ...]:
        """Where it is measured."""
        return (self.config,) if isinstance(self.config, str) else tuple(self.config)

    @property
    def variants(self) -> list[str]:
        """The variants that must be trained for it."""
        return [name.partition("/")[0] for name in (self.metric, self.minus, self.over) if name]


@final
@dataclass(frozen=True, kw_only=True)
class Variant:
    """The recipe's system or one of its baselines: which settings differ, and which parts.

    Args:
        changes: dotted names of settings and their values, such as ``{"beta": 0.0}``.
        build: makes the model; None takes the recipe's.
        step: computes the losses; None takes the recipe's.
        loop: trains; None takes the recipe's.
    """

    changes: Mapping[str, object] = field(default_factory=dict)
    build: Callable[..., Any] | None = None
    step: Callable[..., Any] | None = None
    loop: Callable[..., Any] | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One published system: its science here, everything else borrowed from the lab.

    ``list`` and ``show`` read the summary, the reference and the claims without running the file, so these
    are written as literals.

    Args:
        summary: one line for ``hyperdnn list``.
        config: frozen keyword-only dataclass with a ``seed`` and the loop's settings as ``train``.
        build: configuration -> model.
        data: configuration -> data.
        step: model, batch, state -> losses by name; ``"loss"`` is minimised, the others are logged.
        evaluate: model, data -> metrics by name.
        loop: the training loop, such as `lab.train.fit`.
        reference: the publication.
        claims: what the publication says, as bounds on measured numbers.
        variants: the system itself first, then its baselines.
        figures: results -> figures of the report page.
        seeds: how many the claims are measured with.
        space: what ``hyperdnn tune`` searches unless told otherwise: settings and their values as they are typed, such
            as ``{"train.lr": "1e-4..1e-2:log"}``. A literal too.
        conditioned_on: what a context stands for, where the model's encoder leaves it open (see `inspect.classify`).
        view: model and data -> `View`: what ``hyperdnn inspect`` and ``explore`` show of a trained model; None shows
            its weights alone, for contexts that the encoder tells.

    Raises:
        ConfigError: the configuration is no frozen dataclass with a seed, a claim names an unknown variant, or there
            is no seed.
    """

    summary: str
    config: type
    build: Callable[..., Any]
    data: Callable[..., Any]
    step: Callable[..., Any]
    evaluate: Callable[..., Any]
    loop: Callable[..., Any]
    reference: Reference
    claims: tuple[Claim, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=lambda: {"hypernet": Variant()})
    figures: Callable[..., Any] | None = None
    seeds: int = 3
    space: Mapping[str, str] = field(default_factory=dict)
    conditioned_on: Literal["task", "data", "noise"] | None = None
    view: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        _check_config(self.config)
        if self.seeds < 1:
            raise ConfigError(f"seeds: expected 1 or more, got {self.seeds}.")
        for claim in self.claims:
            for variant in claim.variants:
                if variant not in self.variants:
                    raise ConfigError(f"claim '{claim.text}': no variant '{variant}'.{nearest(variant, self.variants)}")


def _check_config(config: type) -> None:
    if not is_dataclass(config) or not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ConfigError(
            f"{config.__name__}: expected a frozen dataclass. Write @dataclass(frozen=True, kw_only=True)."
        )
    if "seed" not in {f.name for f in fields(config)}:
        raise ConfigError(f"{config.__name__}: has no seed. Add the field: seed: int = 0")
