from dataclasses import replace

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.planning._build import after_encoder, as_code, generate
from hyperdnn.planning._strategies import FEATURES, strategies
from hyperdnn.planning._subject import Subject


def _net(dtype: torch.dtype = torch.float32) -> nn.Module:
    layers = (nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(128, 9))
    return nn.Sequential(*layers).to(dtype)


NAMES = [s.name for s in strategies(Subject.of(_net(), "*"), 32, None)[0]]


def _strategy(subject: Subject, name: str):
    return next(strategy for strategy in strategies(subject, 32, None)[0] if strategy.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_builds_a_model_that_runs_and_has_the_same_hypernet(name):
    subject = Subject.of(_net(), "*")
    strategy = _strategy(subject, name)
    namespace = {"net": _net()}
    exec(as_code(strategy, subject, contexts=3, hidden=32), namespace)
    model = namespace["model"]
    assert model(torch.randn(3, 4, 1, 6, 6), context=torch.arange(3)).shape == (3, 4, 9)
    ours = after_encoder(strategy, 32, device=torch.device("cpu"), dtype=torch.float32)
    theirs = {name: tuple(p.shape) for name, p in model.hypernet.named_parameters() if not name.startswith("encoder")}
    assert {name: tuple(p.shape) for name, p in ours.named_parameters()} == theirs


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_code_keeps_the_number_format(dtype):
    subject = Subject.of(_net(dtype), "5.*")
    namespace = {"net": _net(dtype)}
    exec(as_code(_strategy(subject, "generate once"), subject, contexts=3, hidden=32), namespace)
    assert namespace["model"].generate(torch.tensor(0))["5.weight"].dtype == dtype


def test_the_code_moves_to_the_targets_device():
    subject = replace(Subject.of(_net(torch.float64), "*"), device=torch.device("cuda:0"))
    code = as_code(_strategy(subject, "generate once"), subject, contexts=3, hidden=32)
    assert code.startswith("import torch\n")
    assert ').to("cuda:0", torch.float64)\n' in code


def test_the_code_takes_up_a_target_that_exists():
    target = hd.Target(nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)), "1.*", combine=targets.Residual())
    subject = Subject.of(target, "*")
    code = as_code(_strategy(subject, "multiple heads"), subject, contexts=2, hidden=32)
    assert "hd.Target" not in code
    namespace = {"target": target}
    exec(code, namespace)
    assert namespace["model"].target is target


def test_a_low_rank_change_is_generated_with_its_product():
    subject = Subject.of(_net(), "*")
    strategy = _strategy(subject, "low-rank change (4)")
    hypernet = after_encoder(strategy, 32, device=torch.device("cpu"), dtype=torch.float32)
    seen = []

    class Counting(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Counting():
        generate(hypernet, strategy, subject, torch.randn(2, FEATURES))
    assert seen.count(torch.Tensor.matmul) + seen.count(torch.Tensor.__matmul__) == 3  # one for each matrix
