"""Compare a HyperLSTM after `compile_steps` with one that never was, and print what went wrong, as JSON.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace.

    python hyper_lstm_compiled.py eager|inductor
"""

import copy
import json
import pickle
import sys

import torch
from torch._dynamo.utils import counters

import hyperdnn as hd
from hyperdnn.nn import HyperLSTM

BACKEND = sys.argv[1] if __name__ == "__main__" else "eager"


def pair(**options):
    """The same layer twice, in float64; one takes its steps in threes."""
    torch._dynamo.reset()
    counters.clear()
    torch.manual_seed(0)
    plain = HyperLSTM(3, 5, 4, 2, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.normal_(std=0.7)
    compiled = copy.deepcopy(plain)
    compiled.compile_steps(3, backend=BACKEND)
    return plain, compiled


def data(*shape):
    return torch.randn(*shape, 3, dtype=torch.float64)


def results(layer, x, state=None, seed=1):
    torch.manual_seed(seed)
    layer.zero_grad()
    output, last = layer(x, state)
    if torch.is_grad_enabled():
        (output.square().sum() + sum(part.square().sum() for part in last)).backward()
    return output, last, [p.grad for p in layer.parameters()]


def same(plain, compiled, x, state=None):
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if BACKEND == "eager" else {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(results(compiled, x, state), results(plain, x, state), **tolerance)


def graphs():
    return counters["stats"]["unique_graphs"]


def lengths():
    plain, compiled = pair(num_layers=2)
    for time in (6, 7, 8, 3, 2, 1, 6):
        same(plain, compiled, data(time, 4))
    assert graphs() == 1, f"{graphs()} graphs for one batch size"


def batch_sizes():
    plain, compiled = pair()
    for batch in (4, 6, 9, 4, 5):
        same(plain, compiled, data(6, batch))
    assert graphs() == 2, f"{graphs()} graphs: the second should serve all sizes"
    same(plain, compiled, data(6))
    same(plain, compiled, data(6, 1))


def states():
    plain, compiled = pair(num_layers=2, batch_first=True)
    state = tuple(torch.randn(2, 4, width, dtype=torch.float64) for width in (5, 5, 4, 4))
    same(plain, compiled, data(4, 7), state)
    inner = []
    for layer in (plain, compiled):
        start = tuple(part.clone().requires_grad_() for part in state)
        x = data(4, 7) * 0 + 0.3
        layer(x, start)[0].square().sum().backward()
        inner.append([part.grad for part in start])
    torch.testing.assert_close(*inner)
    assert graphs() == 1, f"{graphs()} graphs for states with and without gradient"


def dropout_and_evaluation():
    plain, compiled = pair(recurrent_dropout=0.5)
    same(plain, compiled, data(7, 4))
    same(plain.eval(), compiled.eval(), data(7, 4))
    with torch.no_grad():
        same(plain, compiled, data(7, 4))
    same(plain.train(), compiled.train(), data(7, 4))


def copies():
    plain, compiled = pair()
    for again in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        same(plain, again, data(7, 4))
    assert graphs() == 1, "the copies should share one program, and be compiled"
    loaded = HyperLSTM(3, 5, 4, 2)
    loaded.compile_steps(2, backend=BACKEND)
    loaded.double().load_state_dict(compiled.state_dict())
    loaded.compile_steps(3, backend=BACKEND)
    same(plain, loaded, data(7, 4))
    assert graphs() == 1, "called again, or moved, it should be the same program"


def plain_layer_norm_off():
    same(*pair(layer_norm=False), data(7, 4))


def frozen():
    plain, compiled = pair()
    for layer in (plain, compiled):
        layer.requires_grad_(False)
        layer.layers[0].bias.requires_grad_(True)
    same(plain, compiled, data(7, 4))


def many_contexts():
    plain, compiled = pair()
    targets = [hd.Target(layer, "*emit*") for layer in (plain, compiled)]
    weights = {spec.name: torch.randn(2, *spec.shape, dtype=torch.float64) for spec in targets[0].layout}
    x = data(2, 7, 4)
    many, expected = (target.batched(weights, x)[0] for target in (targets[1], targets[0]))
    torch.testing.assert_close(many, expected)
    assert graphs() == 0, "mapped calls should not be compiled"
    one = {name: tensor[0] for name, tensor in weights.items()}
    torch.testing.assert_close(targets[1](one, x[0])[0], expected[0])
    assert graphs() == 1


def inside_another():
    plain, compiled = pair()
    x = data(4, 2)
    torch.testing.assert_close(torch.compile(compiled, backend="eager", fullgraph=True)(x), plain(x))


CHECKS = {
    check.__name__: check
    for check in (
        lengths,
        batch_sizes,
        states,
        dropout_and_evaluation,
        copies,
        plain_layer_norm_off,
        frozen,
        many_contexts,
        inside_another,
    )
}


def complaint(check):
    try:
        check()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:600]}"
    return None


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: complaint(check) for name, check in CHECKS.items()}))
