"""Compile every part as one graph and print what went wrong, as JSON: part -> message or null.

Run as a script, outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace.
"""

import json

import torch
from cases import CONTEXTS, PARTS, Case  # a script finds its neighbours


def complaint(case: Case) -> str | None:
    """Why the part does not compile to the same function, or None."""
    torch.manual_seed(0)
    part, eager = case.build(), case.build()
    eager.load_state_dict(part.state_dict())
    compiled = torch.compile(part, backend="eager", fullgraph=True)
    for contexts in CONTEXTS:
        torch._dynamo.reset()
        x = case.example(contexts, torch.float32)
        try:
            torch.testing.assert_close(case.call(compiled, x), case.call(eager, x), rtol=0, atol=0)
        except Exception as error:
            return f"contexts {contexts}: {type(error).__name__}: {str(error)[:600]}"
    return None


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({str(case): complaint(case) for case in PARTS}))
