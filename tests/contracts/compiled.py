"""Compile every part as one graph and print what went wrong, as JSON: part -> message or null.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace.
"""

import copy
import json
from typing import Any

import torch
from cases import CONTEXTS, PARTS, Case  # a script finds its neighbours
from torch import nn


def complaint(case: Case) -> str | None:
    """Why the part does not compile to the same function, or None.

    All numbers of contexts and both types are one graph, each with a part of its own: setting up a compilation costs
    more than tracing, and a spectral norm moves with every call.
    """
    torch.manual_seed(0)
    calls = [*((contexts, torch.float32) for contexts in CONTEXTS), ((4,), torch.bfloat16)]
    parts = [case.build().to(dtype) for _, dtype in calls]
    twins = copy.deepcopy(parts)
    examples = [case.example(contexts, dtype) for contexts, dtype in calls]

    def run(modules: list[nn.Module]) -> list[Any]:
        return [case.call(module, x) for module, x in zip(modules, examples, strict=True)]

    torch._dynamo.reset()
    try:
        compiled = torch.compile(run, backend="eager", fullgraph=True)(parts)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:600]}"
    for call, made, expected in zip(calls, compiled, run(twins), strict=True):
        try:
            torch.testing.assert_close(made, expected, rtol=0, atol=0)
        except AssertionError as error:
            return f"{call}: {error}"
    return None


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({str(case): complaint(case) for case in PARTS}))
