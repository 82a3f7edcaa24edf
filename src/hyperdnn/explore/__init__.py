"""A page on which a model's context is moved and everything that follows from it is seen.

`serve` measures a view's known contexts once (`_scene`), then answers every move (`_look`): the place among the known
contexts, the generated weights, what their network puts out and what that costs. What a context is decides which
controls it has (`_controls`, `_panel`); figures are plotly's own data, made without it (`_figures`, `_outputs`), and
Gradio shows them (`_page`).
"""

from hyperdnn.explore._serve import serve

__all__ = ["serve"]
