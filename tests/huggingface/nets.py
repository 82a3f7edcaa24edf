"""Tiny networks of transformers with random weights, their inputs, and which of their layers get something."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they say of each other while they are imported is theirs
    transformers: Any = pytest.importorskip("transformers", reason="needs hyperdnn[peft]")
    peft: Any = pytest.importorskip("peft", reason="needs hyperdnn[peft]")

__all__ = ["NETS", "Net", "hypernet_for", "peft", "perturbed", "quiet", "transformers"]

VOCABULARY, LENGTH = 31, 6
_COMMON = {"vocab_size": VOCABULARY, "attn_implementation": "eager"}
_MASK = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 5 + [0]])


@dataclass(frozen=True)
class Net:
    """One network.

    Args:
        make: builds it.
        projections: globs over its attention and feed-forward layers.
        embeddings: globs over its embeddings.
        inputs: for three samples.
    """

    make: Callable[[], nn.Module]
    projections: tuple[str, ...]
    embeddings: tuple[str, ...]
    inputs: Mapping[str, Tensor]

    @property
    def everything(self) -> tuple[str, ...]:
        """All of these layers."""
        return (*self.projections, *self.embeddings)


def _bert() -> nn.Module:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    return transformers.BertForSequenceClassification(
        transformers.BertConfig(**sizes, **_COMMON, max_position_embeddings=16, num_labels=3)
    )


def _gpt2() -> nn.Module:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 16}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **ends, **_COMMON, use_cache=False))


def _t5() -> nn.Module:
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2}
    return transformers.T5ForConditionalGeneration(
        transformers.T5Config(**sizes, **_COMMON, use_cache=False, decoder_start_token_id=0)
    )


def _llama() -> nn.Module:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**sizes, **_COMMON, num_key_value_heads=1, max_position_embeddings=16, use_cache=False)
    )


def _inputs(mask: Tensor, **more: Tensor) -> dict[str, Tensor]:
    tokens = torch.randint(1, VOCABULARY, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    return {"input_ids": tokens, "attention_mask": mask, **more}


# BERT and T5 look whether a mask of two dimensions masks anything; one that is ready to be added they take as it is.
_ADDED = (1.0 - _MASK[:, None, None]) * torch.finfo(torch.float32).min

NETS = {
    "bert": Net(
        _bert, ("*.query", "*.value", "*.dense"), ("*.word_embeddings", "*.position_embeddings"), _inputs(_ADDED)
    ),
    "gpt2": Net(_gpt2, ("*.c_attn", "*.c_proj", "*.c_fc"), ("*.wte", "*.wpe"), _inputs(_MASK)),
    "t5": Net(
        _t5, ("*.q", "*.v", "*.o", "*.wi", "*.wo"), ("*.embed_tokens",), _inputs(_ADDED, decoder_input_ids=_MASK + 3)
    ),
    "llama": Net(_llama, ("*_proj",), ("*.embed_tokens",), _inputs(_MASK)),
}


@contextmanager
def quiet() -> Iterator[None]:
    """While peft works: it warns of tied weights, of its own settings, and calls what transformers calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def hypernet_for(target: hd.Target) -> hd.HyperDNN:
    """A model with three contexts."""
    encoder, body = encoders.Table(contexts=3, features=4), bodies.MLP(4, 8)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(8, target.layout)))


def perturbed(model: hd.HyperDNN) -> hd.HyperDNN:
    """The model with a hypernet as after training: what it generates changes the base."""
    with torch.no_grad():
        for parameter in model.hypernet.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model
