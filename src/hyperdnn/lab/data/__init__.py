"""Data sets, held in memory and handed out in batches.

`load` reads a plain set of images by name: "digits" comes with scikit-learn, "mnist", "fashion_mnist" and "cifar10"
from ``HYPERDNN_DATA`` or the cache. `regression` reads the UCI sets with their published splits. Every set is a `Task`
of three `Split`s (train, validation, test), and a `Split` hands out a `Batch` of context, inputs and targets,
`DrawnContexts` one with a context of its own, `TwoLevels` a `TwoLevelBatch` for one who is tuned and one who tunes.
`permuted` and `split` turn one set into a sequence of tasks, `overlaid` puts two of its images into one, `Shrunken`
pairs images with smaller ones, `detection` puts another set beside it (a `Detection`), `scarce` leaves few to train on,
`thinned` few to judge by, `scaled` makes images smaller, `label_clients` and `dirichlet_clients` deal them out to
clients; `permuted_copy` is a sequence made of random bits. `shifted` and `flipped` vary a batch of images.

`ihdp` and `simulated_study` are a `Study` of a treatment, `trial` divides it into a `Trial`, and `folds` deals samples
out for cross-fitting. `movielens` and `simulated_ratings` are `Ratings`, `catalogue` divides them into a `Catalogue` of
known and new items, of which `NewItems`, in an `Adaptation`, make a `NewItemBatch`. `few_shot` makes `FewShot` data,
whose `Episodes` draw an `Episode`, a batch of problems of an `EpisodeShape`: a few samples of each class. `burgers` is
a family of `Equations`, to be solved at the points of a `Collocation`, with the `burgers_solution` of some.
`tiny_shakespeare` and `drawn_text` are a `Corpus` of three `Text`s, whose `Streams` are read a `Segment` at a time.
`voices` are `Voices` that speak in `VoiceTexts`, which hand out a `VoiceBatch` of a `VoiceShape`; `describing` makes
vectors of texts.

`sentence_set` and `simulated_sentences` are a `SentenceSet` of three `Sentences`, and a `Vocabulary` makes numbers of
texts. `Tokens` are the parts of a `TokenTask`, of which a `TaskMixture` draws batches.

`knowledge_graph` and `simulated_graph` are a `KnowledgeGraph` of `Queries` and `HeldOut` triples.

`environment` is one of gymnasium's, and `point_mass` one whose best policy is known, a `LinearQuadratic` system: each
is an `Environment` for the `Play` of a `Behaviour`. An episode in a `World` is a `Trajectory`, its steps `Transitions`.

`on_validation` hides the test part from whoever chooses settings. `path` and `available` find the files of a set.
"""

from hyperdnn.lab.data._augment import flipped, shifted
from hyperdnn.lab.data._authors import voices
from hyperdnn.lab.data._batch import Batch, Split, Task
from hyperdnn.lab.data._burgers import Collocation, Equations, burgers, burgers_solution
from hyperdnn.lab.data._clients import dirichlet_clients, label_clients
from hyperdnn.lab.data._continual import permuted, split
from hyperdnn.lab.data._copy import permuted_copy
from hyperdnn.lab.data._descriptions import describing
from hyperdnn.lab.data._detection import Detection, detection
from hyperdnn.lab.data._drawn import DrawnContexts
from hyperdnn.lab.data._environment import Behaviour, Environment, Play, environment
from hyperdnn.lab.data._episodes import Episode, Episodes, EpisodeShape, FewShot
from hyperdnn.lab.data._fetch import DataError, available, path
from hyperdnn.lab.data._fewshot import few_shot
from hyperdnn.lab.data._folds import folds
from hyperdnn.lab.data._ihdp import ihdp, simulated_study
from hyperdnn.lab.data._load import load
from hyperdnn.lab.data._new_items import Adaptation, NewItemBatch, NewItems
from hyperdnn.lab.data._overlaid import overlaid
from hyperdnn.lab.data._point_mass import LinearQuadratic, point_mass
from hyperdnn.lab.data._ratings import Catalogue, Ratings, catalogue, movielens, simulated_ratings
from hyperdnn.lab.data._regression import regression
from hyperdnn.lab.data._scarce import scarce
from hyperdnn.lab.data._sentences import SENTENCE_SETS, Sentences, SentenceSet, sentence_set, simulated_sentences
from hyperdnn.lab.data._shrunken import Shrunken
from hyperdnn.lab.data._smaller import scaled, thinned
from hyperdnn.lab.data._sources import SOURCES, Source
from hyperdnn.lab.data._study import Study, Trial, trial
from hyperdnn.lab.data._text import Corpus, Segment, Streams, Text, drawn_text, tiny_shakespeare
from hyperdnn.lab.data._tokens import TaskMixture, Tokens, TokenTask, packed
from hyperdnn.lab.data._trajectory import Trajectory, World
from hyperdnn.lab.data._transitions import Transitions
from hyperdnn.lab.data._triples import HeldOut, KnowledgeGraph, Queries, knowledge_graph, simulated_graph
from hyperdnn.lab.data._two_levels import TwoLevelBatch, TwoLevels
from hyperdnn.lab.data._validation import on_validation
from hyperdnn.lab.data._vocabulary import MASK, PADDING, Vocabulary
from hyperdnn.lab.data._voices import VoiceBatch, Voices, VoiceShape, VoiceTexts

__all__ = [
    "load",
    "regression",
    "Batch",
    "Split",
    "Task",
    "permuted",
    "split",
    "overlaid",
    "Shrunken",
    "shifted",
    "flipped",
    "permuted_copy",
    "scaled",
    "thinned",
    "DrawnContexts",
    "Detection",
    "detection",
    "scarce",
    "TwoLevels",
    "TwoLevelBatch",
    "label_clients",
    "dirichlet_clients",
    "on_validation",
    "ihdp",
    "simulated_study",
    "Study",
    "Trial",
    "trial",
    "folds",
    "movielens",
    "simulated_ratings",
    "Ratings",
    "Catalogue",
    "catalogue",
    "NewItems",
    "Adaptation",
    "NewItemBatch",
    "few_shot",
    "FewShot",
    "Episodes",
    "Episode",
    "EpisodeShape",
    "burgers",
    "burgers_solution",
    "Equations",
    "Collocation",
    "tiny_shakespeare",
    "drawn_text",
    "Corpus",
    "Text",
    "Streams",
    "Segment",
    "voices",
    "Voices",
    "VoiceTexts",
    "VoiceBatch",
    "VoiceShape",
    "describing",
    "sentence_set",
    "simulated_sentences",
    "SENTENCE_SETS",
    "SentenceSet",
    "Sentences",
    "Vocabulary",
    "MASK",
    "PADDING",
    "packed",
    "Tokens",
    "TokenTask",
    "TaskMixture",
    "knowledge_graph",
    "simulated_graph",
    "KnowledgeGraph",
    "Queries",
    "HeldOut",
    "environment",
    "point_mass",
    "Environment",
    "Play",
    "Behaviour",
    "LinearQuadratic",
    "Trajectory",
    "World",
    "Transitions",
    "path",
    "available",
    "Source",
    "SOURCES",
    "DataError",
]
