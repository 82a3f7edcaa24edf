"""How Sphinx builds the documentation: ``make docs``."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "hyperdnn"
author = "the hyperdnn authors"
release = metadata.version("hyperdnn")
extensions = ["myst_parser", "gallery"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["tables"]
nitpicky = True

html_theme = "furo"
html_title = "hyperdnn"
myst_heading_anchors = 3
html_show_copyright = False
