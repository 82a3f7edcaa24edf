"""Where each data set comes from: literals only, so that a new set is one entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

__all__ = ["SOURCES", "Source"]


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as its authors publish it.

    Args:
        title: what the authors call it.
        terms: licence or terms of use, as found.
        addresses: folders on the net that hold the files; the first that answers is used.
        sha256: file name -> checksum. Empty for a set that comes inside a package.
    """

    title: str
    terms: str
    addresses: tuple[str, ...] = ()
    sha256: Mapping[str, str]


_MNIST: Final = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

_OMNIGLOT: Final = {
    "images_background_small1.zip": "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    "images_background_small2.zip": "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
}

SOURCES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        "digits": Source(
            title="Optical recognition of handwritten digits, test part (Alpaydin & Kaynak), in scikit-learn",
            terms="CC BY 4.0",
            sha256={},
        ),
        "mnist": Source(
            title="The MNIST database of handwritten digits (LeCun, Cortes, Burges)",
            terms="CC BY-SA 3.0 is the usual statement",
            addresses=("https://ossci-datasets.s3.amazonaws.com/mnist/",),
            sha256=_MNIST,
        ),
        "omniglot": Source(
            title="Omniglot data set for one-shot learning (Lake, Salakhutdinov, Tenenbaum), two small background sets",
            terms="MIT",
            addresses=("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",),
            sha256=_OMNIGLOT,
        ),
    }
)
