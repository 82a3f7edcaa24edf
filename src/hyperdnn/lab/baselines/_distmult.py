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
    Reciprocal relations, as `data.KnowledgeGraph` has them, give each direction of a relation an embedding of its own.

    Args:
        entities: how many.
        relations: how many, the reciprocal ones among them.
        features: width of an embedding.
        dropouts: shares that are dropped of an entity's features, and of their product with a relation's.

    Shape:
        entities ``(queries,)``, context: relations ``(queries,)`` -> logits ``(queries, entities)``.

    Source:
        Yang et al., "Embedding entities and relations for learning and inference in knowledge bases", ICLR 2015;
        Ruffinelli, Broscheit & Gemulla, "You can teach an old dog new tricks!", ICLR 2020 (trained well).
    """

    def __init__(self, entities: int, relations: int, features: int, *, dropouts: tuple[float, float]) -> None:
        super().__init__()
        self.entities = nn.Embedding(entities, features)
        self.relations = nn.Embedding(relations, features)
        nn.init.xavier_normal_(self.entities.weight)
        nn.init.xavier_normal_(self.relations.weight)
        self.of_entity = nn.Sequential(nn.BatchNorm1d(features), nn.Dropout(dropouts[0]))
        self.of_product = nn.Sequential(nn.BatchNorm1d(features), nn.Dropout(dropouts[1]))
        self.bias = nn.Parameter(torch.zeros(entities))

    def forward(
        self, entities: Integer[Tensor, " queries"], *, context: Integer[Tensor, " queries"]
    ) -> Float[Tensor, "queries entities"]:
        product = self.of_entity(self.entities(entities)) * self.relations(context)
        logits: Tensor = torch.addmm(self.bias, self.of_product(product), self.entities.weight.T)
        return logits
