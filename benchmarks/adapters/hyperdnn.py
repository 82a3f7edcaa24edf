"""hyperdnn in the comparison of hypernet libraries: the same hypernets, the same weights, the library's own calls."""

import copy
import dataclasses
import importlib

import torch
from common import CTX, HID, Case, make_case

# The runner imports this file as `adapters.hyperdnn`, so the library is imported by its absolute name.
hd = importlib.import_module("hyperdnn")

NAME = "hyperdnn"


def build(spec):
    """One workload as a case of the runner."""
    if spec.wid == "W4":
        from prototypes.hyperlstm import recurrent_case

        return recurrent_case(spec, make_hyper_lstm(spec))
    if spec.mode == "construct":
        # as for plain torch: shapes alone, since the runner leaves the target's own numbers unset
        shapes = dataclasses.replace(spec, target=copy.deepcopy(spec.target).to("meta"))
        return Case(lambda: make_model(shapes) and None, note="chunked, 65536")
    model = make_model(spec)
    load(model.hypernet, spec)
    if spec.mode == "infer":
        return Case(_reuse(model, spec), note="baked once" if not spec.extra["regen"] else "")
    if spec.wid.startswith("W3"):
        return make_case(spec, model.parameters(), lambda: model(spec.x, context=spec.ctx))
    note, optimizer = "", None
    if spec.mode == "train":
        note, optimizer = "fused Adam", torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)
    return make_case(spec, model.parameters(), lambda: model(spec.x, context=spec.ctx[0]), note, optimizer=optimizer)


def make_model(spec, *, stream=False):
    """The hypernet of the comparison: three linear layers, at once or in chunks, in their published forms."""
    target = hd.Target(copy.deepcopy(spec.target))
    encoder = hd.encoders.Vector(CTX)
    if spec.chunk is None:
        head = hd.heads.FullHead(HID[-1], target.layout, normalize=False)
        return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=hd.bodies.MLP(CTX, *HID), head=head))
    head = hd.heads.ChunkedHead(HID[-1], target.layout, spec.chunk, normalize=False, signs=False)
    slots = hd.encoders.Slots(head.slots, spec.emb_dim)
    body = hd.bodies.MLP(CTX + spec.emb_dim, *HID)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head, stream=stream))


@torch.no_grad()
def load(hypernet, spec):
    """Copy the weights that all libraries start from."""
    linears = [m for m in hypernet.modules() if isinstance(m, torch.nn.Linear)]
    for linear, weight, bias in zip(linears, spec.ref["W"], spec.ref["b"], strict=True):
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    if spec.chunk is not None:
        hypernet.slots.embeddings.copy_(spec.ref["emb"])
        hypernet.head.affine.gain.fill_(1)
        hypernet.head.affine.offset.zero_()
        hypernet.head.affine.gain.requires_grad_(False)


def _reuse(model, spec):
    baked = []

    def step():
        with torch.no_grad():
            if not baked:
                baked.append(model.bake(spec.ctx[0]))
            for _ in range(spec.n_repeat):
                out = model(spec.x, context=spec.ctx[0]) if spec.extra["regen"] else baked[0](spec.x)
            return out.square().mean()

    return step


def make_hyper_lstm(spec):
    """The HyperLSTM of the comparison, with the weights that all libraries start from."""
    from prototypes.hyperlstm import weights

    # The comparison normalises with torch's usual epsilon, the library with that of the paper's code.
    steps = importlib.import_module("hyperdnn.nn._hyper_lstm_steps")
    steps._EPS = 1e-5
    sizes, given = spec.extra, weights(spec.extra)
    model = hd.nn.HyperLSTM(sizes["inp"], sizes["hidden"], sizes["hyper"], sizes["n_z"])
    cell = model.layers[0]
    with torch.no_grad():
        cell.weight_ih.copy_(given["wx"])
        cell.weight_hh.copy_(given["wh"])
        cell.hyper_weight_ih.copy_(given["hat_x"])
        cell.hyper_weight_hh.copy_(given["hat_hh"])
        cell.embed_scales.weight.copy_(given["z"][:8].flatten(0, 1))
        cell.embed_scales.bias.copy_(given["zb"][:8].flatten())
        cell.embed_biases.weight.copy_(given["z"][8:].flatten(0, 1))
        cell.emit_scales.copy_(given["d"][:8].transpose(1, 2))
        cell.emit_biases.copy_(given["d"][8:].transpose(1, 2))
        for gates in (cell.gates, cell.hyper_gates):
            gates.bias[1] = -1  # the forget gates of the paper are one step further open
    return model
