"""``plan``: which hypernet fits a network, before anything is trained."""

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from hyperdnn.cli._usage import count, usage
from hyperdnn.errors import LayoutError

if TYPE_CHECKING:
    from hyperdnn.planning import Needs

_QUESTIONS = {
    "related": "could the contexts learn from each other?",
    "data_adaptive": "must the weights adapt to the data?",
    "dynamic_architecture": "is the architecture open?",
    "parameter_efficiency": "must fewer numbers be trained?",
    "uncertainty": "must predictions come with their uncertainty?",
}
_YES, _NO = ("y", "yes"), ("n", "no")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    plan = commands.add_parser(
        "plan",
        help="which hypernet fits your network",
        description="Compares every strategy for the network that a function of yours makes, and recommends one, or "
        "plain networks where these serve better. On a terminal it asks the five questions that are not answered.",
        allow_abbrev=False,
    )
    plan.add_argument("factory", metavar="MODULE:FACTORY", help="such as models.cnn:make, or path/to/file.py:make")
    plan.add_argument("--contexts", type=count, default=10, metavar="N", help="tasks, users, ... (%(default)s)")
    plan.add_argument("--budget", type=count, metavar="N", help="trained numbers at most")
    plan.add_argument("--select", metavar="GLOB", action="append", help="generate only these parameters; repeatable")
    plan.add_argument("--hidden", type=count, default=64, metavar="N", help="width of the hypernet (%(default)s)")
    for name, question in _QUESTIONS.items():
        plan.add_argument(f"--{name.replace('_', '-')}", choices=("yes", "no"), help=question)
    plan.add_argument("--json", action="store_true", help="as JSON")
    plan.set_defaults(command=plan_network)


def plan_network(options: argparse.Namespace) -> int:
    """Makes the network and prints the plan for it."""
    from hyperdnn.cli._factory import make_network
    from hyperdnn.planning import Needs, plan

    network = make_network(options.factory)
    answers = {name: getattr(options, name) for name in _QUESTIONS}
    needs = Needs(**{name: answer == "yes" for name, answer in answers.items() if answer})
    if not options.json and sys.stdin.isatty() and sys.stdout.isatty():
        needs = _ask(needs)
    # Without --select it is the network that has nothing to generate.
    with usage(also=(LayoutError,) if options.select else ()):
        made = plan(
            network,
            contexts=options.contexts,
            budget=options.budget,
            needs=needs,
            select=options.select or "*",
            hidden=options.hidden,
        )
    print(json.dumps(made.to_json(), indent=2) if options.json else made)
    return 0


def _ask(needs: "Needs") -> "Needs":
    """Asks what is open; an empty line leaves a question so, the end of the input all that follow."""
    from hyperdnn.planning._needs import QUESTIONS

    for name in needs.open:
        answer = None
        while answer not in {*_YES, *_NO, ""}:
            try:
                answer = input(f"{QUESTIONS[name]} [y, n, or Enter to leave it open] ").strip().lower()
            except EOFError:
                print()
                return needs
        if answer:
            needs = replace(needs, **{name: answer in _YES})
    return needs
