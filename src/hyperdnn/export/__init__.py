"""Generated networks for other tools.

`peft` writes one context's LoRA as an adapter folder of Hugging Face's PEFT. A whole network is made by
`HyperDNN.bake`: a plain module, which needs no export.
"""

from hyperdnn.export._peft import peft

__all__ = ["peft"]
