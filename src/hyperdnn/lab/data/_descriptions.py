"""Texts as vectors, by the words in them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hyperdnn.errors import ConfigError, MissingExtraError

__all__ = ["describing"]


def describing(documents: Sequence[str], features: int) -> Callable[[Sequence[str]], Tensor]:
    """A function that describes texts by their words and punctuation marks, learnt from some documents.

    Counts are weighed by how rare a word is (TF-IDF), and a singular value decomposition keeps the directions in which
    the documents differ most. What comes out is centred on the documents' mean and has unit root mean square: a text's
    length does not matter. Words that are not in two of the documents count for nothing.

    Args:
        documents: of the length of what will be described.
        features: directions that are kept.

    Raises:
        ConfigError: fewer documents, or fewer different words in them, than directions.
        MissingExtraError: scikit-learn is not installed.

    Source:
        Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990.
    """
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtraError("scikit-learn", extra="lab") from error
    counts = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, min_df=min(2, len(documents)))
    table = counts.fit_transform(documents)
    if min(table.shape) <= features:
        raise ConfigError(
            f"features: {table.shape[0]} documents of {table.shape[1]} words in common have no {features} directions. "
            "Take fewer."
        )
    directions = TruncatedSVD(features, random_state=0).fit(table)
    mean = directions.transform(table).mean(0)

    def describe(texts: Sequence[str]) -> Tensor:
        found = torch.from_numpy(directions.transform(counts.transform(texts)) - mean).float()
        return F.rms_norm(found, found.shape[-1:])

    return describe
