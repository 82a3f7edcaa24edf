"""`HyperDNN` in torch's DistributedDataParallel, in two processes."""

import copy

import pytest
import torch
from models import (
    assert_same,
    batched,
    ensemble,
    grouped,
    in_parts,
    make_model,
    paired,
    shares,
    train_share,
    train_whole,
)
from pair import main
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.distributed import Verb
from hyperdnn.errors import ConfigError


def _wrapped_equals_whole(rank, kind, view, width):
    model = make_model(kind, width=width)
    wrapped = DistributedDataParallel(model, gradient_as_bucket_view=view, find_unused_parameters=True)
    train_share(wrapped, batched, rank)
    assert_same(model, train_whole(make_model(kind, width=width), batched))


def check_full_head_equals_one_process(rank):
    for view in (False, True):
        _wrapped_equals_whole(rank, "full", view, 5)


def check_chunked_head_equals_one_process(rank):
    for view in (False, True):
        _wrapped_equals_whole(rank, "chunked", view, 5)


def check_memory_that_is_reused_is_not_overwritten(rank):
    # The map is large enough for its gradient to live in reused memory.
    for view in (False, True):
        _wrapped_equals_whole(rank, "full", view, 260)


def check_a_target_without_a_table_needs_no_search_for_unused_parameters(rank):
    def make():
        torch.manual_seed(0)
        return hd.HyperDNN.for_vectors(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), 3)

    def loss(model, x, context):
        vectors = torch.stack([context + 1.0, context * 2.0, context - 3.0], -1)
        return model(x, context=vectors).square().mean()

    model = make()
    train_share(DistributedDataParallel(model), loss, rank)
    assert_same(model, train_whole(make(), loss))


def check_other_verbs_are_reached_by_verb(rank):
    for loss in (paired, grouped, in_parts, ensemble):
        model = make_model("full")
        wrapped = DistributedDataParallel(Verb(model, loss), find_unused_parameters=True)
        train_share(wrapped, lambda wrapped, x, context: wrapped(x, context), rank)
        assert_same(model, train_whole(make_model("full"), loss))


def check_a_method_is_a_verb(rank):
    model = make_model("full")
    wrapped = DistributedDataParallel(Verb(model, hd.HyperDNN.paired), find_unused_parameters=True)
    x, context = shares()[rank], torch.zeros(8, dtype=torch.long)
    torch.testing.assert_close(wrapped(x, context=context), model.paired(x, context=context))


def check_no_synchronisation_accumulates(rank):
    model, expected = make_model("full"), make_model("full")
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
    x = shares()
    with wrapped.no_sync():
        batched(wrapped, x[rank, None], torch.tensor([rank])).backward()
    batched(wrapped, x[rank, None], torch.tensor([1 + rank])).backward()
    for share in range(2):
        for context in (share, 1 + share):
            (batched(expected, x[share, None], torch.tensor([context])) / 2).backward()
    for (name, p), q in zip(model.named_parameters(), expected.named_parameters(), strict=True):
        if q[1].grad is not None:
            torch.testing.assert_close(p.grad, q[1].grad, msg=lambda text, n=name: f"{n}: {text}")


def check_frozen_rows_stay(rank):
    model = make_model("full")
    model.hypernet.encoder.freeze([0])
    before = copy.deepcopy(model.hypernet.encoder.rows[0])
    train_share(DistributedDataParallel(model, find_unused_parameters=True), batched, rank)
    assert torch.equal(model.hypernet.encoder.rows[0], before)


def check_pooled_statistics_are_the_first_processs(rank):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    target = hd.Target(net, select="2.*", buffers="shared")
    hypernet = hd.Hypernet(encoder=encoders.Vector(3), body=bodies.MLP(3, 6), head=heads.FullHead(6, target.layout))
    model = hd.HyperDNN(target, hypernet)
    alone = copy.deepcopy(model)
    wrapped = DistributedDataParallel(model)
    x, context = shares()[:, None], torch.ones(1, 3)
    for step in range(2):
        y = wrapped(x[rank] + step, context=context)
        torch.testing.assert_close(y, copy.deepcopy(alone)(x[rank] + step, context=context))  # its own statistics
        alone(x[0] + step, context=context)  # those that are kept
    wrapped.eval()
    torch.testing.assert_close(wrapped(x[rank], context=context), alone.eval()(x[rank], context=context))


def check_rank_adam_refuses(rank):
    model = make_model("full")
    with pytest.raises(ConfigError, match="one process"):
        hd.optim.RankAdam(model)


if __name__ == "__main__":
    main(globals())
