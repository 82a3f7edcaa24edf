"""Language models that recipes adapt.

`language_model` is an encoder of transformers, either one that others have pretrained or a small one that is trained
here by hiding pieces of words, once; `LanguageModel` are its settings, and `vocabulary` is what it reads. A `Reader`
makes features of texts with it, and `Classifiers` answer the questions of several tasks.
"""

from hyperdnn.lab.language._masked import LanguageModel, language_model, vocabulary
from hyperdnn.lab.language._reader import Classifiers, Reader

__all__ = ["LanguageModel", "language_model", "vocabulary", "Reader", "Classifiers"]
