"""A model of tables with gaps."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

__all__ = ["PartialVAE"]


@final
class PartialVAE(nn.Module):
    """A variational autoencoder whose encoder sums over the columns that are known.

    Costs a product of rows, columns and ``hidden`` in time and memory for each encoding.

    Args:
        columns: of the table.
        embedding: width of a column's embedding, which the encoder reads beside its value.
        hidden: width of the layers; an output row of the decoder has as many weights.
        latent: width of a row's latent.

    Source:
        Ma et al., "EDDI: Efficient dynamic discovery of high-value information with partial VAE", ICML 2019.
    """

    def __init__(self, columns: int, *, embedding: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.columns = columns
        self.embedding = embedding
        self.hidden = hidden
        self.latent = latent
        self.embeddings = nn.Parameter(torch.randn(columns, embedding))
        self.biases = nn.Parameter(torch.zeros(columns, 1))
        self.of_value = nn.Linear(embedding, hidden, bias=False)
        self.of_column = nn.Linear(embedding + 1, hidden)
        self.moments = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh())
        self.rows = nn.Linear(hidden, columns)

    def encode(
        self, values: Float[Tensor, "samples columns"], known: Bool[Tensor, "samples columns"]
    ) -> tuple[Float[Tensor, "samples latent"], Float[Tensor, "samples latent"]]:
        """Mean and log variance of the latent: from ``relu(W [e_j x_ij; e_j; b_j])``, summed over known columns."""
        slopes = self.of_value(self.embeddings)
        offsets = self.of_column(torch.cat([self.embeddings, self.biases], dim=-1))
        seen = torch.addcmul(offsets, values.unsqueeze(-1), slopes).relu() * known.unsqueeze(-1)
        mean, log_variance = self.moments(seen.sum(-2) / self.columns**0.5).chunk(2, dim=-1)
        return mean, log_variance

    def decode(self, latent: Float[Tensor, "*any latent"]) -> Float[Tensor, "*any hidden"]:
        """What the output rows read; ``rows`` makes the columns of it."""
        hidden: Tensor = self.decoder(latent)
        return hidden
