"""``python -m benchmarks``: comparison, scaling curves and page; with ``--smoke`` a tiny part of it, in seconds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import compare, page, peers, scaling
from benchmarks.results import RESULTS
from hyperdnn.errors import HyperDNNError


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure everything, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", type=Path, default=peers.FOLDER, help="environment of the other libraries")
    parser.add_argument("--smoke", type=Path, metavar="FOLDER", help="show in seconds that it works; write here")
    options = parser.parse_args(arguments)
    if options.smoke:
        scaling.smoke(options.smoke / RESULTS.name)
        page.write(options.smoke / RESULTS.name)
        return
    try:
        compare.compare(environment=options.peers)
    except HyperDNNError as error:
        sys.exit(f"benchmarks: {error}")
    scaling.scale()
    page.write(docs=page.DOCS)


if __name__ == "__main__":
    main()
