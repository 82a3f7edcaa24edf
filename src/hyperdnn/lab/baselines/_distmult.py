"""Bilinear link prediction."""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

__all__ = ["DistMult"]


@final
class DistMult(nn.Module):
    """Scores every entity as an answer by the product of three embeddings, with batch norm and dropout between them.

    The products are symmetric: but for batch norm and biases, an entity answers another one as that one answers it.
    Reciprocal relations, as `data.KnowledgeGraph` has them, give each direction of a relation an embedding of its own,
    yet each of them is still symmetric. Only a second embedding of each entity, as an answer, mends that: this is the
    canonical polyadic decomposition (CP), much stronger where relations have a direction.

    Args:
        entities: how many.
        relations: how many, the reciprocal ones among them.
        features: width of an embedding.
        dropouts: shares that are dropped of an entity's features, and of their product with a relation's.
        symmetric: whether an entity has the same embedding as an answer.

    Shape:
        entities ``(queries,)``, context: relations ``(queries,)`` -> logits ``(queries, entities)``.

    Source:
        Yang et al., "Embedding entities and relations for learning and inference in knowledge bases", ICLR 2015;
        Ruffinelli, Broscheit & Gemulla, "You can teach an old dog new tricks!", ICLR 2020 (trained well);
        Lacroix, Usunier & Obozinski, "Canonical tensor decomposition for knowledge base completion", ICML 2018.
    """

    def __init__(
        self, entities: int, relations: int, features: int, *, dropouts: tuple[float, float], symmetric: bool = True
    ) -> None:
        super().__init__()
        self.entities = nn.Embedding(entities, features)
        self.relations = nn.Embedding(relations, features)
        nn.init.xavier_normal_(self.entities.weight)
        nn.init.xavier_normal_(self.relations.weight)
        self.of_entity = nn.Sequential(nn.BatchNorm1d(features), nn.Dropout(dropouts[0]))
        self.of_product = nn.Sequential(nn.BatchNorm1d(features), nn.Dropout(dropouts[1]))
        self.bias = nn.Parameter(torch.zeros(entities))
        self.answers = None if symmetric else nn.Embedding(entities, features)
        if self.answers is not None:
            nn.init.xavier_normal_(self.answers.weight)

    def forward(
        self, entities: Integer[Tensor, " queries"], *, context: Integer[Tensor, " queries"]
    ) -> Float[Tensor, "queries entities"]:
        product = self.of_entity(self.entities(entities)) * self.relations(context)
        answers = self.entities if self.answers is None else self.answers
        logits: Tensor = torch.addmm(self.bias, self.of_product(product), answers.weight.T)
        return logits
