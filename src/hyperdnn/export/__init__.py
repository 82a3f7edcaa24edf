"""Generated networks for other tools.

`safetensors` writes a baked network's weights, `program` a file that torch runs without the network's code, and `onnx`
one that runs without torch; the last two also take a whole HyperDNN, whose context is then an input. Each reads back
what it wrote, compares outputs, and returns an `Exported`. `peft` writes one context's LoRA as an adapter folder of
Hugging Face's PEFT.
"""

from hyperdnn.export._exported import Difference, Exported, difference
from hyperdnn.export._onnx import onnx
from hyperdnn.export._peft import peft
from hyperdnn.export._program import program
from hyperdnn.export._safetensors import safetensors

__all__ = ["Difference", "Exported", "difference", "onnx", "peft", "program", "safetensors"]
