"""What the commands share that look at a trained model: which one, and what there is to see."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hyperdnn.cli._usage import usage

if TYPE_CHECKING:
    from hyperdnn.lab import Trained, View


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which model of which run."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run's folder, as `hyperdnn run` made it")
    parser.add_argument("--variant", help="of the run's variants; by default the system itself")
    parser.add_argument("--seed", type=int, help="of the run's seeds; by default its first one")


def look(options: argparse.Namespace) -> tuple["Trained", "View"]:
    """Loads the model that the options say, and its view.

    Raises:
        UsageError: there is none.
    """
    from hyperdnn import lab

    with usage():
        found = lab.trained(options.run, variant=options.variant, seed=options.seed)
        return found, found.view()
