"""LoRA for a frozen language model, generated from a description.

Charakorn, Cetin, Tang & Lange, "Text-to-LoRA: Instant Transformer Adaption", ICML 2025 (arXiv:2506.06105).

To adapt a language model to a task one trains LoRA on the task's data. Here a hypernet that has seen many tasks does it
in one pass, for a task of which there is nothing but a description: it reads the description, and for each layer and
module it says what the two factors are. What comes out is ordinary LoRA, which `hyperdnn.export.peft` writes into the
folder that PEFT loads.

Faithful.
    The description is encoded to one half of a latent, a layer's depth and the kind of module have a quarter each, as
    learned embeddings; one MLP mixes them, residual ones follow, and a linear map for each kind of module, which all
    layers share, makes both factors at once (the largest of the three published forms, L). Factors are
    ``A0 + A`` and ``B0 + B``: LoRA's own start plus what is generated, which is zero at first, so that the first step
    starts at the base exactly. The base is frozen, and training is by the cross-entropy of tasks' texts through it,
    with some tasks in each batch and one of several descriptions of each, plus the mean square of what is generated.
    LoRA is applied in two products and never multiplied out.

    ``Zhyper`` generates only the diagonal in between (Abdalla, Wang, Frey, Eger & Grabocka, "Zhyper", 2025,
    arXiv:2510.19733): ``B diag(z) A``, where A and B are trained and the same for all tasks.

Differs.
    The base has the architecture of the published one, Mistral, but two layers of 96 features, reads characters, and is
    pretrained here. Tasks are not instructions but voices: 36 characters of Shakespeare's, and thirteen kinds of
    sentences; the base knows the lines of all other characters. A description is not a text in words but twenty lines
    of the voice, as word counts reduced to 64 numbers, and nothing else is done with these lines. LoRA also goes to the
    feed-forward network's last matrix. There is no warm-up, and no noise on embeddings or labels.

    Of 36 speakers alone, as at first intended, no LoRA could learn much: see below.

Expected.
    Cross-entropy in nats for each character of new voices; mean and spread of three seeds, as in ``results/``.

    =================================  ======
    LoRA                               loss
    =================================  ======
    none: the base
    one for all voices
    that of the nearest known voice
    T2L
    T2L, another voice's description
    Zhyper
    of its own
    =================================  ======
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, lab, targets
from hyperdnn.lab import baselines, language

SHUFFLES: Final = 4  # orders in which every voice has another one's description
DESCRIBED: Final = lab.data.VoiceShape(drawn=128)
MISTRAL: Final = language.CharacterModel(features=4096, hidden=14336, layers=32, attention_heads=32, keys=8)
PUBLISHED: Final = lab.train.Settings(
    iterations=1_200_000, batch_size=8, optimizer="adamw", lr=2.5e-5, weight_decay=1e-2, schedule="cosine"
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published hypernet, adapters and training; voices stand for the published tasks."""

    seed: int = 0
    source: Literal["plays_and_sentences", "drawn"] = "plays_and_sentences"
    shape: lab.data.VoiceShape = DESCRIBED
    everyone: bool = False  # learn from all voices, for LoRA of their own
    base: language.CharacterModel = MISTRAL
    modules: tuple[str, ...] = ("q_proj", "v_proj")  # that have LoRA, in every layer
    rank: int = 8
    alpha: float = 16.0  # LoRA counts alpha / rank times
    latent: int = 128  # width of description, depth and kind of module together
    hypernet: tuple[int, ...] = (128, 128, 128, 128, 512)  # widths of the layers behind them
    dropout: float = 0.05  # in the hypernet
    penalty: float = 1e-3  # on the mean square of what is generated
    shared: lab.train.Settings = PUBLISHED  # for LoRA that all voices share
    own: lab.train.Settings = PUBLISHED  # for LoRA of each voice's own
    train: lab.train.Settings = PUBLISHED

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "dropout", "penalty")
        lab.config.check_least(self, 1, "rank")
        lab.config.check_least(self, 4, "latent")


@final
@dataclass(frozen=True)
class Diagonal:
    """The rows of a factor that all contexts share, each times one plus what is generated: ``diag(1 + z) A``."""

    needs_base = True

    def specs(self, spec: hd.ParamSpec) -> Sequence[hd.ParamSpec]:
        change = replace(spec, name=f"{spec.name}.z", shape=spec.shape[:1], init_mean=0.0, init_std=0.0, aliases=())
        return (replace(change, kind="change"),)

    def __call__(self, generated: Sequence[Tensor], base: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        assert base is not None
        return base + base * generated[0].unsqueeze(-1)


@final
class Described(nn.Module):
    """A language model whose LoRA is generated from a description; beside it the base, and one with LoRA for all."""

    def __init__(self, base: nn.Module, adapted: hd.HyperDNN, shared: nn.Module | None = None) -> None:
        super().__init__()
        self.base = base
        self.adapted = adapted
        self.shared = shared

    def weights(self, batch: lab.data.VoiceBatch) -> hd.Weights:
        return self.adapted.generate(batch.context)

    def rivals(self, batch: lab.data.VoiceBatch, voices: lab.data.Voices) -> dict[str, Tensor]:
        """What else each voice's loss would be: mean over descriptions of others; by LoRA that all voices share."""
        places = [1 + k * (len(batch) - 1) // SHUFFLES for k in range(SHUFFLES)]
        others = [replace(batch, context=batch.context.roll(k, 0)) for k in places]
        found = {"shuffled": torch.stack([language.losses(adapted(self, other), other) for other in others]).mean(0)}
        return (
            found
            if self.shared is None
            else {**found, "shared": language.losses(language.plain(self.shared, batch), batch)}
        )


@final
class LookedUp(nn.Module):
    """A language model that has LoRA for each voice by its number; beside it the base."""

    def __init__(self, base: nn.Module, adapted: hd.HyperDNN) -> None:
        super().__init__()
        self.base = base
        self.adapted = adapted

    def weights(self, batch: lab.data.VoiceBatch) -> hd.Weights:
        return self.adapted.generate(batch.voices)

    def rivals(self, batch: lab.data.VoiceBatch, voices: lab.data.Voices) -> dict[str, Tensor]:
        """What else each voice's loss would be: by the LoRA of that known voice whose descriptions are nearest."""
        known = int(torch.cat([voices.validation.voices, voices.test.voices]).min())
        middles = F.normalize(voices.train.descriptions[:known].mean(1), dim=-1)
        nearest = (batch.context @ middles.T).argmax(-1)
        other = replace(batch, voices=voices.train.voices[nearest])
        return {"nearest": language.losses(adapted(self, other), other)}


def adapted(model: Described | LookedUp, batch: lab.data.VoiceBatch) -> Tensor:
    """Logits of every voice's passages, each voice with its own LoRA."""
    logits: Tensor = model.adapted.call(model.weights(batch), batch.inputs).logits
    return logits


def build(config: Config) -> Described:
    """LoRA from the description, and LoRA that all voices share."""
    net = language.character_model(config.base, data(config))
    target = hd.Target(with_lora(net, config), select="*.lora_*", combine=targets.Residual())
    return Described(net, hd.HyperDNN(target, build_hypernet(config, target)), with_lora(net, config))


def build_diagonal(config: Config) -> Described:
    """Only the diagonal between two factors is generated; the factors are trained and shared."""
    net = language.character_model(config.base, data(config))
    target = hd.Target(with_lora(net, config), select="*.lora_a.weight", combine=Diagonal(), train_base=True)
    return Described(net, hd.HyperDNN(target, build_hypernet(config, target)))


def build_separate(config: Config) -> LookedUp:
    """LoRA of its own for each voice."""
    net = language.character_model(config.base, data(config))
    target = hd.Target(with_lora(net, config), select="*.lora_*")
    return LookedUp(net, hd.HyperDNN(target, baselines.Separate(len(data(config).names), target.layout)))


def build_hypernet(config: Config, target: hd.Target) -> hd.Hypernet:
    """Half of the latent is the encoded description, a quarter each are the kind of module and the layer."""
    quarter = config.latent // 4
    head = language.AdapterHead(config.hypernet[-1], target.layout)
    body = bodies.MLP(
        4 * quarter, *config.hypernet, activation="silu", norm="layer", dropout=config.dropout, residual=True
    )
    encoder = nn.Linear(config.shape.features, 2 * quarter)
    return hd.Hypernet(
        encoder=encoders.FromModule(encoder, features=2 * quarter),
        slots=language.AdapterSlots(head.kinds, head.layers, quarter),
        body=body,
        head=head,
    )


def with_lora(net: nn.Module, config: Config) -> nn.Module:
    """A copy of the base, in which nothing can be trained but the LoRA beside its layers."""
    net = deepcopy(net)
    targets.attach_lora(net, [f"*.{module}" for module in config.modules], config.rank, alpha=config.alpha)
    return net


def data(config: Config) -> lab.data.Voices:
    """Voices with their descriptions, and texts that they said."""
    return lab.data.voices(config.source, config.shape, everyone=config.everyone)


def step(model: Described | LookedUp, batch: lab.data.VoiceBatch, state: lab.train.State) -> dict[str, Tensor]:
    """The cross-entropy of the voices' texts, and the mean square of the LoRA."""
    weights = model.weights(batch)
    nats = language.losses(model.adapted.call(weights, batch.inputs).logits, batch).mean()
    size = torch.stack([weight.square().mean() for weight in weights.values()]).mean()
    return {"loss": nats + state.config.penalty * size, "nats": nats, "size": size}


def shared_step(model: Described, batch: lab.data.VoiceBatch, state: lab.train.State) -> dict[str, Tensor]:
    """The cross-entropy of the voices' texts with LoRA that they share."""
    assert model.shared is not None
    return {"loss": language.losses(language.plain(model.shared, batch), batch).mean()}


def evaluate(model: Described | LookedUp, voices: lab.data.Voices) -> dict[str, Any]:
    """The cross-entropy of new voices, in nats for each character, and what of it is gained over the base."""
    batch = voices.test.side_by_side()
    base, own = language.losses(language.plain(model.base, batch), batch), language.losses(adapted(model, batch), batch)
    rivals = model.rivals(batch, voices)
    found = {"loss": own, "base_loss": base, **{f"{name}_loss": loss for name, loss in rivals.items()}}
    metrics: dict[str, Any] = {name: loss.mean().item() for name, loss in found.items()}
    metrics["gain"] = metrics["base_loss"] - metrics["loss"]
    metrics["hypernet_parameters"] = sum(one.numel() for one in model.adapted.parameters() if one.requires_grad)
    if "shared" in rivals:
        better = metrics["shared_loss"] - metrics["loss"]
        metrics["sign_test"] = lab.metrics.sign_test(own, rivals["shared"])
        metrics["lost_by_shuffling"] = (metrics["shuffled_loss"] - metrics["loss"]) / better
    gains = {f"{name}_by_voice": (base - loss).tolist() for name, loss in {"own": own, **rivals}.items()}
    return {**metrics, **gains, "voices": [voices.names[k] for k in batch.voices]}


RECIPE = lab.Recipe(
    summary="Generates LoRA for a frozen language model from a description of the voice that it shall speak with.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(
        title="Text-to-LoRA: Instant Transformer Adaption",
        authors="Charakorn, Cetin, Tang & Lange",
        venue="ICML",
        year=2025,
        url="https://arxiv.org/abs/2506.06105",
    ),
    claims=(
        lab.Claim(
            text="For new voices generated LoRA is better than one for all voices (sign test over voices, p < .05).",
            config="default",
            metric="T2L/sign_test",
            at_most=0.05,
        ),
        lab.Claim(
            text="It gains at least 40 % of what LoRA gains that is trained on the new voice itself.",
            config="default",
            metric="T2L/gain",
            over="own LoRA/gain",
            at_least=0.4,
        ),
        lab.Claim(
            text="With another voice's description it loses at least half of its advantage over one LoRA for all.",
            config="default",
            metric="T2L/lost_by_shuffling",
            at_least=0.5,
        ),
        lab.Claim(
            text="If only the diagonals between shared factors are generated, the loss is at most .01 nats higher.",
            config="default",
            metric="Zhyper/loss",
            minus="T2L/loss",
            at_most=0.01,
        ),
        lab.Claim(
            text="For that the hypernet needs five times fewer parameters, the shared factors included.",
            config="default",
            metric="T2L/hypernet_parameters",
            over="Zhyper/hypernet_parameters",
            at_least=5.0,
        ),
    ),
    variants={
        "T2L": lab.Variant(
            loop=partial(
                lab.train.stages,
                plan=(
                    lab.train.Stage(part="shared", step=shared_step, settings=attrgetter("shared")),
                    lab.train.Stage(part="adapted"),
                ),
            )
        ),
        "Zhyper": lab.Variant(build=build_diagonal),
        "own LoRA": lab.Variant(
            build=build_separate,
            changes={"everyone": True, "penalty": 0.0},
            loop=partial(lab.train.stages, plan=(lab.train.Stage(part="adapted", settings=attrgetter("own")),)),
        ),
    },
    figures=lab.report.voice_figures,
    conditioned_on="task",
    space={"train.lr": "1e-4..1e-2:log", "dropout": "0..0.3", "penalty": "1e-4..1e-1:log"},
)
