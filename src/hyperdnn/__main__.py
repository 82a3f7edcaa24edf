"""``python -m hyperdnn`` is ``hyperdnn``."""

import sys

from hyperdnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
