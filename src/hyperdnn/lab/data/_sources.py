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
        made: for a set that nobody publishes in this form: from what the files are made, and how.
    """

    title: str
    terms: str
    addresses: tuple[str, ...] = ()
    sha256: Mapping[str, str]
    made: str = ""


_MNIST: Final = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
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
        "ihdp": Source(
            title="Infant Health and Development Program, semi-synthetic (Hill 2011), NPCI setting A, 1-10",
            terms="unknown; published for research",
            sha256={"ihdp_npci_1-10.npz": "65b58429cce33c6b1624bb005693a35ed077a3343815c3901befc1a762e90865"},
            made="datasets/IHDP/csv/ihdp_npci_1.csv to ihdp_npci_10.csv of github.com/AMLab-Amsterdam/CEVAE, stacked "
            "into one npz: float64 x (10, 747, 25), yf, ycf, mu0 and mu1 (10, 747), and int8 t (10, 747)",
        ),
        "movielens_small": Source(
            title="MovieLens ml-latest-small, edition of October 2016 (GroupLens)",
            terms="GroupLens: research use with citation, no commercial use, redistribution under the same terms",
            sha256={"ml-latest-small-2016.npz": "dfd6a1905bb00418b71d08818396f351c56ed97ea95ccc40edc40fde29dd9c10"},
            made="ratings.csv and movies.csv of grouplens.org, ml-latest-small of October 2016, in one npz: int32 "
            "user, movie and item_id, float32 rating, int64 timestamp, item_title, uint8 item_genres and genres",
        ),
    }
)
