"""`distributed.shard`, in two processes."""

import shutil
import tempfile
import warnings

import pytest
import torch
from models import (
    CONTEXTS,
    assert_same,
    batched,
    ensemble,
    grouped,
    in_parts,
    make_model,
    paired,
    shares,
    single,
    train_share,
    train_whole,
    whole,
)
from pair import main
from torch import distributed, nn
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads
from hyperdnn.distributed import Divided, Verb, shard
from hyperdnn.errors import ConfigError

WEIGHT = "hypernet.head.linear.weight"


def check_every_parameter_is_divided(rank):
    model = make_model("full")
    shard(model)
    for name, parameter in model.named_parameters():
        assert isinstance(parameter, DTensor), name
    rows = model.hypernet.head.linear.weight
    assert rows.to_local().shape[0] == rows.shape[0] // 2 + (rows.shape[0] % 2) * (1 - rank)


def check_every_verb_equals_one_process(rank):
    for kind in ("full", "chunked"):
        for loss in (batched, single, paired, grouped, in_parts, ensemble):
            model = make_model(kind)
            shard(model)
            train_share(model, loss, rank)
            assert_same(model, train_whole(make_model(kind), loss))


def check_it_equals_distributed_data_parallel(rank):
    model, other = make_model("chunked"), make_model("chunked")
    shard(model)
    train_share(model, batched, rank)
    train_share(DistributedDataParallel(other, find_unused_parameters=True), batched, rank)
    assert_same(model, other, atol=1e-5)


def check_rows_that_nobody_used_are_bit_equal(rank):
    model = make_model("full")
    before = model.hypernet.encoder.rows[3].detach().clone()
    shard(model)
    train_share(model, batched, rank)
    assert torch.equal(whole(model.hypernet.encoder.rows[3]), before)
    used = {i for i, row in enumerate(model.hypernet.encoder.rows) if row.grad is not None}
    assert used == set(CONTEXTS[-1]), used


def check_gradients_accumulate(rank):
    model, expected = make_model("full"), make_model("full")
    shard(model)
    x = shares()
    for contexts in CONTEXTS:
        batched(model, x[rank, None], torch.tensor(contexts)[rank, None]).backward()
        for share in range(2):
            (batched(expected, x[share, None], torch.tensor(contexts)[share, None]) / 2).backward()
    for (name, p), q in zip(model.named_parameters(), expected.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            torch.testing.assert_close(whole(p.grad), q.grad, msg=lambda text, n=name: f"{n}: {text}")


def check_one_process_may_use_frozen_rows_only(rank):
    def frozen():
        model = make_model("full")
        model.hypernet.encoder.freeze([0, 1])
        return model

    model = frozen()
    shard(model)
    train_share(model, batched, rank)
    assert_same(model, train_whole(frozen(), batched))


def check_parameters_are_divided_again_after_evaluation(rank):
    model = make_model("full")
    shard(model)
    with torch.no_grad():
        model(shares()[:1], context=torch.tensor([1]))
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())


def check_a_baked_network_is_whole(rank):
    model = make_model("full")
    shard(model)
    baked = model.bake(torch.tensor(1))
    assert not any(isinstance(parameter, DTensor) for parameter in baked.parameters())
    x = shares()[0]
    torch.testing.assert_close(baked(x), make_model("full")(x, context=torch.tensor(1)))


def check_the_whole_model_can_be_gathered_and_saved(rank):
    model = make_model("full")
    shard(model)
    train_share(model, batched, rank)
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    expected = train_whole(make_model("full"), batched)
    if rank == 0:  # the others get nothing
        copy = make_model("full")
        copy.load_state_dict(state)
        torch.testing.assert_close(copy.state_dict(), expected.state_dict())


def _go_on(model, optimizer, loss_of, steps):
    for contexts in torch.tensor(CONTEXTS)[steps]:
        optimizer.zero_grad()
        loss_of(model, contexts).backward()
        optimizer.step()


def check_a_checkpoint_of_two_processes_goes_on_in_one(rank):
    x = shares()
    folder = [tempfile.mkdtemp() if rank == 0 else None]
    distributed.broadcast_object_list(folder)

    def share(model, contexts):
        return batched(model, x[rank, None], contexts[rank, None])

    def both(model, contexts):
        return torch.stack([batched(model, x[i, None], contexts[i, None]) for i in range(2)]).mean()

    model = make_model("full")
    shard(model)
    optimizer = torch.optim.Adam(model.parameters())
    _go_on(model, optimizer, share, slice(0, 2))
    names = ("model", "optimizer")
    checkpoint.save(dict(zip(names, get_state_dict(model, optimizer), strict=True)), checkpoint_id=folder[0])
    _go_on(model, optimizer, share, slice(2, 3))
    expected = [whole(parameter) for parameter in model.parameters()]
    if rank == 0:
        one = make_model("full")
        optimizer = torch.optim.Adam(one.parameters())
        state = dict(zip(names, get_state_dict(one, optimizer), strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it reads in one process, which is asked for
            # Rows that nobody used have no moments yet.
            planner = checkpoint.DefaultLoadPlanner(allow_partial_load=True)
            checkpoint.load(state, checkpoint_id=folder[0], no_dist=True, planner=planner)
        set_state_dict(one, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        _go_on(one, optimizer, both, slice(2, 3))
        for parameter, other in zip(one.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter, other, rtol=0, atol=1e-9)
        shutil.rmtree(folder[0])


def check_gradients_can_be_clipped(rank):
    model, expected = make_model("full"), make_model("full")
    shard(model)
    x = shares()
    batched(model, x[rank, None], torch.tensor([rank])).backward()
    torch.stack([batched(expected, x[share, None], torch.tensor([share])) for share in range(2)]).mean().backward()
    norms = [torch.nn.utils.clip_grad_norm_(m.parameters(), 1e-3) for m in (model, expected)]
    torch.testing.assert_close(whole(norms[0]), norms[1])


def check_every_process_begins_with_the_first_ones_weights(rank):
    model = make_model("full")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(rank)
    shard(model)
    expected = make_model("full")
    for name, parameter in model.named_parameters():
        assert torch.equal(whole(parameter), expected.get_parameter(name)), name


def check_a_module_around_the_model_is_divided_with_it(rank):
    def around(module, x, context):
        return module.readout(module.model(x, context=context)).square().mean()

    def make():
        outer = nn.Module()
        outer.model = make_model("full")
        outer.readout = nn.Linear(2, 3)
        return Verb(outer, around)

    def loss(verb, x, context):
        return verb(x, context)

    module = make()
    shard(module)
    train_share(module, loss, rank)
    assert_same(module, train_whole(make(), loss))


def check_hypernets_inside_a_target_belong_to_it(rank):
    def make():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        hd.targets.attach_conditioned(net, "0", _conditioned)
        return hd.HyperDNN.for_vectors(net, 3, select="2.*")

    def loss(model, x, context):
        return model(x[0], context=torch.stack([context + 1.0, context * 2.0, context - 3.0], -1)[0]).square().mean()

    model = make()
    shard(model)
    train_share(model, loss, rank)
    assert_same(model, train_whole(make(), loss))


def _conditioned(layer):
    target = hd.Target(layer)
    hypernet = hd.Hypernet(encoder=encoders.Vector(4), body=bodies.MLP(4, 6), head=heads.FullHead(6, target.layout))
    return hd.models.Conditioned(hd.HyperDNN(target, hypernet))


def check_what_lies_around_a_hypernet_is_divided_with_it(rank):
    def make():
        inner = make_model("full")
        mixture = hd.models.WeightMixture(inner.hypernet, gate=nn.Linear(1, 3))
        return hd.HyperDNN(inner.target, mixture)

    def loss(model, x, context):
        routed = torch.arange(3) + context[0] // 2, context.to(x).expand(8)[:, None]
        return model.paired(x[0], context=routed).square().mean()

    model = make()
    shard(model)
    train_share(model, loss, rank)
    assert_same(model, train_whole(make(), loss))


def check_a_hypernet_of_the_users_own_is_one_part(rank):
    class Own(nn.Module):
        def __init__(self, layout):
            super().__init__()
            self.layout = layout
            self.table = encoders.Table(4, layout.numel)

        def forward(self, context):
            return self.layout.split(self.table(context))

    def make():
        torch.manual_seed(0)
        target = hd.Target(nn.Linear(4, 2))
        return hd.HyperDNN(target, Own(target.layout))

    for loss in (paired, in_parts):
        model = make()
        shard(model)
        train_share(model, loss, rank)
        assert_same(model, train_whole(make(), loss))


def check_it_is_done_once(rank):
    model = make_model("full")
    shard(model)
    with pytest.raises(ConfigError, match="sharded already"):
        shard(model)
    model = make_model("full")
    model.hypernet.head = Divided(model.hypernet.head)
    with pytest.raises(ConfigError, match="as by Divided"):
        shard(model)


def check_a_streaming_hypernet_is_refused(rank):
    model = make_model("full")
    model.hypernet.stream = True
    with pytest.raises(ConfigError, match="without stream=True"):
        shard(model)
    assert not isinstance(model.get_parameter(WEIGHT), DTensor)


if __name__ == "__main__":
    main(globals())
