"""`distributed.Divided`, in two processes."""

import pytest
import torch
from models import assert_same, batched, make_model, shares, whole
from pair import main
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

import hyperdnn as hd
from hyperdnn import heads
from hyperdnn.distributed import Divided
from hyperdnn.errors import ConfigError, ContextError

KINDS = ("chunked", "full")


def _divided(kind, **options):
    model = make_model(kind, **options)
    model.hypernet.head = Divided(model.hypernet.head)
    return model


def check_it_generates_what_the_whole_head_does(rank):
    for kind in KINDS:
        for width in (1, 5):
            model, expected = _divided(kind, width=width), make_model(kind, width=width)
            for context in (torch.tensor(1), *map(torch.tensor, ([1], [0, 3, 1], [[0, 1], [2, 2]]))):
                torch.testing.assert_close(model.generate(context), expected.generate(context))
            nothing = model.generate(torch.zeros(0, 2, dtype=torch.long))
            assert [w.shape for w in nothing.values()] == [(0, 2, *spec.shape) for spec in expected.target.layout]


def check_a_process_without_a_slot_takes_part(rank):
    layout = make_model("full").target.layout
    head = heads.ChunkedHead(6, layout, layout.numel)  # one slot, two processes
    features = torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    expected = {name: weight.detach() for name, weight in head(features).items()}
    generated = Divided(head)(features)
    if rank == 0:  # the one whose weights both have now
        torch.testing.assert_close(generated, expected)
    sum(weight.sum() for weight in generated.values()).backward()


def check_gradients_are_those_of_the_mean_loss(rank):
    x, context = shares(), torch.tensor([0, 2])
    for kind in KINDS:
        model, expected = _divided(kind), make_model(kind)
        batched(model, x[rank].expand(2, 8, 4), context).backward()
        torch.stack([batched(expected, x[share].expand(2, 8, 4), context) for share in range(2)]).mean().backward()
        for (name, p), q in zip(model.hypernet.named_parameters(), expected.hypernet.parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None), name
            if q.grad is not None:
                torch.testing.assert_close(whole(p.grad), q.grad, msg=lambda text, n=name: f"{n}: {text}")


def check_training_equals_one_process(rank):
    x, context = shares()[0].expand(2, 8, 4), torch.tensor([0, 2])
    for kind in KINDS:
        models = _divided(kind), make_model(kind)
        for model in models:
            optimizer = torch.optim.Adam(model.parameter_groups())
            for _ in range(3):
                optimizer.zero_grad()
                batched(model, x, context).backward()
                optimizer.step()
        assert_same(*models)


def check_it_goes_into_distributed_data_parallel_with_chunks(rank):
    x, context = shares(), torch.tensor([0, 2])
    model, expected = _divided("chunked"), make_model("chunked")
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
    batched(wrapped, x[rank].expand(2, 8, 4), context).backward()
    torch.stack([batched(expected, x[share].expand(2, 8, 4), context) for share in range(2)]).mean().backward()
    for (name, p), q in zip(model.named_parameters(), expected.parameters(), strict=True):
        if q.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, msg=lambda text, n=name: f"{n}: {text}")


def check_rows_of_a_full_head_are_divided(rank):
    model = _divided("full")
    weight = model.hypernet.head.head.linear.weight
    assert isinstance(weight, DTensor)
    assert torch.equal(weight.full_tensor(), make_model("full").hypernet.head.linear.weight)
    assert weight.to_local().shape[0] in {weight.shape[0] // 2, -(-weight.shape[0] // 2)}


def check_frozen_parts_and_no_gradients(rank):
    for kind in KINDS:
        model = _divided(kind)
        model.hypernet.head.requires_grad_(False)
        batched(model, shares()[:1].expand(2, 8, 4), torch.tensor([0, 2])).backward()
        assert all(p.grad is None for p in model.hypernet.head.parameters())
        assert model.hypernet.encoder.rows[0].grad.abs().sum() > 0
        with torch.no_grad():
            assert not any(w.requires_grad for w in model.generate(torch.tensor(1)).values())


def check_bfloat16(rank):
    for kind in KINDS:
        model = make_model(kind).bfloat16()
        expected = model.generate(torch.tensor([1, 0]))
        model.hypernet.head = Divided(model.hypernet.head)
        for name, weight in model.generate(torch.tensor([1, 0])).items():
            assert weight.dtype == torch.bfloat16
            torch.testing.assert_close(weight, expected[name], rtol=0.02, atol=0.02)


def check_different_contexts_are_refused(rank):
    for kind in KINDS:
        model = _divided(kind)
        with pytest.raises(ContextError, match="the same contexts"):
            model.generate(torch.tensor(rank))


def check_other_heads_are_refused(rank):
    target = hd.Target(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="MultiHead cannot be divided"):
        Divided(heads.MultiHead(3, target.layout))


def check_a_divided_head_does_not_stream(rank):
    model = _divided("chunked")
    parts = {"encoder": model.hypernet.encoder, "slots": model.hypernet.slots, "body": model.hypernet.body}
    with pytest.raises(ConfigError, match="has no stream"):
        hd.Hypernet(**parts, head=model.hypernet.head, stream=True)


if __name__ == "__main__":
    main(globals())
