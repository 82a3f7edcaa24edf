"""Times one workload for several libraries in one process, in the peers' environment; prints JSON.

``python -m benchmarks.worker W1 functional,hyperdnn --rounds 9`` with the comparison's runner on the path. It differs
from the runner's own command in what it hands out: the time of every round, from which intervals can be made.
"""

import argparse
import importlib
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

_ROUND_S: Final = 0.02  # of each library, at least, in each round
_TOLERANCE: Final = 2e-3
_IMPORTS: Final = {
    "hypnettorch": "import hypnettorch.hnets",
    "hyper_nn": "import hypernn.torch",
    "hyperlight": "import hyperlight",
    "labml": "import labml_nn.hypernetworks.hyper_lstm",
    "hyperdnn": "import hyperdnn; hyperdnn.HyperDNN",  # the package is lazy: the name loads it
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload")
    parser.add_argument("lineup", help="adapters, with commas between")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    names = options.lineup.split(",")
    measured = (
        imports(names, options.rounds)
        if options.workload == "import"
        else rounds(options.workload, names, options.rounds)
    )
    print(json.dumps(measured))


def rounds(workload: str, names: Sequence[str], count: int) -> dict[str, Any]:
    """Milliseconds of a step in each of the interleaved rounds, for each library; what it cannot do is said."""
    import common  # the runner's, which is found by path
    import torch

    torch.set_num_threads(1)
    spec = common.make_spec(workload)
    lineup: dict[str, dict[str, Any]] = {}
    cases: dict[str, Any] = {}
    for name in names:
        try:
            case = importlib.import_module(f"adapters.{name}").build(spec)
            loss = case.step()
        except common.NotSupported as reason:
            lineup[name] = {"absent": str(reason)}
        except ModuleNotFoundError as error:
            lineup[name] = {"absent": f"not installed: {error.name}"}
        except Exception as error:  # one library's failure is its result, not the end of the run
            lineup[name] = {"absent": f"{type(error).__name__}: {error}"[:300]}
        else:
            cases[name] = case
            lineup[name] = {"note": case.note, **_check_values(case, loss)}
    _compare_values(lineup, [name for name in cases if cases[name].comparable])
    samples = common.interleaved(cases, count, _ROUND_S)
    for name, seconds in samples.items():
        lineup[name]["samples_ms"] = [round(1e3 * s, 4) for s in seconds]
    hardware = common.probe_hw()
    return {"lineup": lineup, "hardware": hardware, "floor": common.floor(spec, hardware), "versions": _versions()}


def imports(names: Sequence[str], count: int) -> dict[str, Any]:
    """Milliseconds of CPU time that a fresh interpreter spends on each library after torch, for each round."""
    lineup: dict[str, dict[str, Any]] = {name: {"note": "", "samples_ms": []} for name in names}
    for _ in range(count):
        for name in names:
            code = (
                f"import time, torch; start = time.process_time(); {_IMPORTS[name]}; print(time.process_time() - start)"
            )
            command = [sys.executable, "-W", "ignore", "-c", code]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode:
                lineup[name] = {"absent": answer.stderr.strip().splitlines()[-1]}
            elif "samples_ms" in lineup[name]:
                lineup[name]["samples_ms"].append(round(1e3 * float(answer.stdout), 4))
    return {"lineup": lineup, "hardware": None, "floor": None, "versions": _versions()}


def _check_values(case: Any, loss: Any) -> dict[str, float | None]:
    """Loss and gradient norm of the first step, by which equal work is told from other work."""
    gradients = [parameter.grad for parameter in case.params]
    norm = None
    if gradients and all(gradient is not None for gradient in gradients):
        norm = math.hypot(*(float(gradient.norm()) for gradient in gradients))
    return {"loss": None if loss is None else float(loss), "gradient_norm": norm}


def _compare_values(lineup: dict[str, dict[str, Any]], comparable: Sequence[str]) -> None:
    for name in comparable:
        pairs = [(lineup[name][key], lineup[comparable[0]][key]) for key in ("loss", "gradient_norm")]
        known = [(value, wanted) for value, wanted in pairs if value is not None and wanted is not None]
        if known:
            lineup[name]["equal"] = all(abs(a - b) <= _TOLERANCE * max(abs(b), 1e-6) for a, b in known)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "hypnettorch", "hyper-nn", "hyperlight", "labml-nn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


if __name__ == "__main__":
    main()
