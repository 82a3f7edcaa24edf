"""The command line: ``hyperdnn demo, list, show, run, copy, reproduce, tune, plan, doctor``.

`main` reads the arguments and turns errors into messages and exit codes; the commands stand in one file for
each group: reading recipes, running them, reproducing claims, tuning, planning, examining the machine.
"""

from hyperdnn.cli._main import main

__all__ = ["main"]
