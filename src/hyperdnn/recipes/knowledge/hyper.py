"""Link prediction with convolution filters that are generated from the relation.

Balazevic, Allen & Hospedales, "Hypernetwork knowledge graph embeddings", ICANN 2019 (arXiv:1808.07018).

Of a triple (Lima, capital of, Peru) the third part is asked for: every entity gets a score. ConvE convolves a picture
that it makes of the embeddings of entity and relation, though there is no reason to lay them out in two dimensions.
Here only the entity's embedding is convolved, in one dimension, and the relation says by which filters: a hypernet
generates them from its embedding, for each query its own.

Faithful.
    One linear map with a bias makes all filters of a relation's embedding, and nothing else is generated. Batch norm,
    dropout of single inputs, of whole feature maps and of hidden features stand where they stand in the authors' code;
    the scores are products with all entities, to which biases are added, and are trained by cross-entropy against all
    known answers at once. Reciprocal relations make questions for heads of questions for tails, in every baseline too.
    Ranks are filtered by all known triples, and taken over both directions.

Differs.
    Smoothed labels are ``(1 - eps) y + eps / N``; the authors' code adds ``1 / N``, whatever eps is. There the first
    entity and the first relation stand at a padding index, so that looking them up trains nothing; here they are
    entity and relation like all others. Cross-entropy is computed of logits. Queries are drawn with replacement, and
    a pass over them is as many draws as there are queries. Among equal scores an answer has their mean rank.
    Validation triples are not filtered by test triples, so that nothing is known of these: on Kinship this lowers the
    mean reciprocal rank there by a tenth or more, on UMLS by a quarter. Small settings have narrower embeddings, half
    the filters, batches of 512, which cost a core little more than those of 128, and more hidden dropout.

    ``product`` is the same network with filters that all relations share: the relation enters by a product with the
    entity's embedding, as in ``DistMult``, which has no more than that product. However it is trained, that one cannot
    say that a relation leads from one entity to another and not back, as three of four triples of Kinship do. ``CP``
    can: it is DistMult with a second embedding of each entity, as an answer, and a stronger baseline than published.

    Rates, decay and dropouts of the small settings were chosen on Kinship's validation triples with one seed: of HypER
    rates of .003 to .01, decay of .98 to .995, and hidden dropout of .3 or .5; of DistMult rates of .003 to .03, both
    dropouts from none to .7, decay, smoothing and width. The bilinear models got a rate and a dropout of their own by
    it, ``product`` has those of HypER, and UMLS takes them over.

Expected.
    Filtered mean reciprocal rank on the test triples; mean and spread of three seeds, as in ``results/``. The
    publication did not measure these graphs.

    =======  =============  =============  =============  =============
    graph    HypER          product        DistMult       CP
    =======  =============  =============  =============  =============
    Kinship  .869 +- .004   .837 +- .005   .716 +- .005   .858 +- .002
    UMLS     .910 +- .001   .899 +- .005   .913 +- .005   .914 +- .004
    =======  =============  =============  =============  =============
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import encoders, heads, init, lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import baselines

_LEVELS = range(1, 11)
_BILINEAR = {"train.lr": 3e-2, "hidden_dropout": 0.3}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Defaults: the published setting of WN18RR."""

    seed: int = 0
    source: Literal["kinship", "umls", "wn18rr", "fb15k_237", "simulated"] = "wn18rr"
    features: int = 200  # width of an embedding of an entity or a relation
    filters: int = 32  # that a relation has
    width: int = 9  # of a filter
    input_dropout: float = 0.2  # of single features of an entity
    map_dropout: float = 0.2  # of whole feature maps
    hidden_dropout: float = 0.3  # of single features in front of the scores
    smoothing: float = 0.1  # share of a label that is spread over all entities
    decay: float = 1.0  # of the learning rate, after each pass over the queries
    train: lab.train.Settings = lab.train.Settings(iterations=650_000, batch_size=128, lr=5e-3)

    def __post_init__(self) -> None:
        lab.config.check_least(self, 0, "seed", "input_dropout", "map_dropout", "hidden_dropout", "smoothing", "decay")
        lab.config.check_least(self, 1, "filters", "width")
        lab.config.check_least(self, self.width, "features")
        if self.train.batch_size < 2:
            raise ConfigError("train.batch_size: expected 2 or more, since batch norm cannot be trained on one query.")


@final
class Generated(nn.Module):
    """A convolution whose filters are generated from the relation, for each query its own."""

    def __init__(self, config: Config, relations: int) -> None:
        super().__init__()
        target = hd.Target(nn.Conv1d(1, config.filters, config.width, bias=False))
        self.convolution = hd.HyperDNN(
            target,
            hd.Hypernet(
                encoder=encoders.Table(relations, config.features, std=_xavier(relations, config.features)),
                body=nn.Identity(),  # nothing stands between the embedding and the linear map
                # An ordinary linear map of small embeddings, as published: batch norm scales what the filters make.
                head=heads.FullHead(config.features, target.layout, init=init.naive, normalize=False),
            ),
        )

    def forward(self, rows: Tensor, relations: Tensor) -> Tensor:
        maps: Tensor = self.convolution.paired(rows, context=relations)
        return maps


@final
class Product(nn.Module):
    """A convolution with filters of its own; the relation enters by a product before."""

    def __init__(self, config: Config, relations: int) -> None:
        super().__init__()
        self.relations = nn.Embedding(relations, config.features)
        nn.init.xavier_normal_(self.relations.weight)
        self.convolution = nn.Conv1d(1, config.filters, config.width, bias=False)

    def forward(self, rows: Tensor, relations: Tensor) -> Tensor:
        maps: Tensor = self.convolution(rows * self.relations(relations).unsqueeze(-2))
        return maps


@final
class Scorer(nn.Module):
    """An entity is convolved as the relation says, and compared with every entity."""

    def __init__(self, config: Config, entities: int, convolution: Generated | Product) -> None:
        super().__init__()
        self.entities = nn.Embedding(entities, config.features)  # without padding: entity 0 is one like the others
        nn.init.xavier_normal_(self.entities.weight)
        self.inputs = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(config.input_dropout))
        self.convolution = convolution
        self.maps = nn.Sequential(nn.BatchNorm1d(config.filters), nn.Dropout1d(config.map_dropout), nn.Flatten())
        self.hidden = nn.Sequential(
            nn.Linear(config.filters * (config.features - config.width + 1), config.features),
            nn.Dropout(config.hidden_dropout),
            nn.BatchNorm1d(config.features),
            nn.ReLU(),
        )
        self.bias = nn.Parameter(torch.zeros(entities))

    def forward(self, entities: Tensor, *, context: Tensor) -> Tensor:
        rows = self.inputs(self.entities(entities).unsqueeze(-2))  # (queries, 1, features)
        hidden = self.hidden(self.maps(self.convolution(rows, context)))
        logits: Tensor = torch.addmm(self.bias, hidden, self.entities.weight.T)
        return logits


def build(config: Config) -> Scorer:
    """Filters from the relation's embedding, inside a network that is trained as usual."""
    graph = data(config)
    return Scorer(config, graph.entities, Generated(config, graph.relations))


def build_product(config: Config) -> Scorer:
    """The same network with filters that all relations share."""
    graph = data(config)
    return Scorer(config, graph.entities, Product(config, graph.relations))


def build_distmult(config: Config) -> baselines.DistMult:
    """Baseline: the product of three embeddings, with reciprocal relations, batch norm and dropout."""
    return bilinear(config, symmetric=True)


def build_cp(config: Config) -> baselines.DistMult:
    """Baseline: the same with a second embedding of each entity, as an answer."""
    return bilinear(config, symmetric=False)


def bilinear(config: Config, *, symmetric: bool) -> baselines.DistMult:
    """A product of three embeddings."""
    graph = data(config)
    dropouts = (config.input_dropout, config.hidden_dropout)
    sizes = (graph.entities, graph.relations, config.features)
    return baselines.DistMult(*sizes, dropouts=dropouts, symmetric=symmetric)


def data(config: Config) -> lab.data.KnowledgeGraph:
    """Triples in both directions."""
    if config.source == "simulated":
        return lab.data.simulated_graph(12, seed=config.seed)
    return lab.data.knowledge_graph(config.source)


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Labels of which a share is spread over all entities."""
    return (1 - smoothing) * targets + smoothing / targets.shape[-1]


def step(model: nn.Module, batch: lab.data.Batch, state: lab.train.State) -> dict[str, Tensor]:
    """The cross-entropy of every entity as an answer."""
    config = state.config
    passes = state.step * config.train.batch_size // batch.total
    lab.train.set_rate(state, config.train.lr * config.decay**passes)
    logits = model(batch.inputs, context=batch.context)
    return {"loss": F.binary_cross_entropy_with_logits(logits, smoothed(batch.targets, config.smoothing))}


def evaluate(model: nn.Module, graph: lab.data.KnowledgeGraph) -> dict[str, Any]:
    """How high the answers rank that were not trained on."""
    found = [
        lab.metrics.filtered_ranks(model(batch.inputs, context=batch.context), answers, batch.targets > 0)
        for batch, answers in graph.test.batches(256)
    ]
    ranks, kinds = torch.cat(found), graph.relations // 2
    hits = lab.metrics.ranking_summary(ranks, levels=_LEVELS)
    relations = graph.test.triples[:, 1] % kinds  # both directions
    return {
        **lab.metrics.ranking_summary(ranks),
        "hits_by_level": [hits[f"hits_{level}"] for level in _LEVELS],
        "mrr_by_relation": lab.metrics.reciprocal_rank_by_group(ranks, relations, kinds),
    }


def _xavier(rows: int, columns: int) -> float:
    """The deviation that `nn.init.xavier_normal_` gives a matrix."""
    deviation: float = (2 / (rows + columns)) ** 0.5
    return deviation


RECIPE = lab.Recipe(
    summary="Predicts links of a knowledge graph: each relation generates the filters that an entity is convolved by.",
    config=Config,
    build=build,
    data=data,
    step=step,
    evaluate=evaluate,
    loop=lab.train.fit,
    reference=lab.Reference(
        title="Hypernetwork Knowledge Graph Embeddings",
        authors="Balazevic, Allen & Hospedales",
        venue="ICANN",
        year=2019,
        url="https://arxiv.org/abs/1808.07018",
    ),
    claims=(
        lab.Claim(
            text="On Kinship the mean reciprocal rank is at least .85.",
            config="default",
            metric="hypernet/mrr",
            at_least=0.85,
        ),
        lab.Claim(
            text="There it is not below that of DistMult with reciprocal relations.",
            config="default",
            metric="hypernet/mrr",
            minus="DistMult/mrr",
            at_least=0.0,
        ),
        lab.Claim(
            text="On UMLS it is at most .015 below that of DistMult with reciprocal relations.",
            config="umls",
            metric="hypernet/mrr",
            minus="DistMult/mrr",
            at_least=-0.015,
        ),
    ),
    variants={
        "hypernet": lab.Variant(),
        "product": lab.Variant(build=build_product),
        "DistMult": lab.Variant(build=build_distmult, changes=_BILINEAR),
        "CP": lab.Variant(build=build_cp, changes=_BILINEAR),
    },
    figures=partial(lab.report.ranking_figures, baseline="DistMult"),
    space={"train.lr": "1e-4..1e-2:log", "hidden_dropout": "0.1..0.5", "decay": "0.98..1"},
)
