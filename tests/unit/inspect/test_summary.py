import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import encoders, heads, targets


def test_the_whole_page() -> None:
    module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 4), nn.Linear(3, 5))
    module[2].weight = module[0].weight
    module[1].bias.requires_grad_(False)
    target = hd.Target(module, ["0.*", "2.*"])
    head = heads.ChunkedHead(8, target.layout, 6)
    hypernet = hd.Hypernet(
        encoder=encoders.Table(3, 5), slots=encoders.Slots(head.slots, 2), body=hd.bodies.MLP(7, 8), head=head
    )
    assert hd.summary(hd.HyperDNN(target, hypernet)) == (
        "HyperDNN\n"
        "├─ hypernet: Hypernet  143 parameters\n"
        "│  ├─ encoder: Table (3 contexts)  15 parameters\n"
        "│  ├─ slots: Slots (4 slots)  8 parameters\n"
        "│  ├─ body: MLP  64 parameters\n"
        "│  └─ head: ChunkedHead (4 slots, 6 chunk, 4 unused)  56 parameters\n"
        "└─ target: Sequential  (combine: Replace)\n"
        "   ├─ 0  generated: weight (5, 3) (also 2.weight)\n"
        "   ├─ 1  kept: weight (4, 3), bias (4,) frozen\n"
        "   └─ 2  generated: bias (5,)\n"
        "\n"
        "trained                155\n"
        "generated               20  (0.00 MiB for one context)\n"
        "deployed                36\n"
        "compression           0.14  generated numbers for each parameter of the hypernet"
    )


def test_memory_is_in_the_targets_own_number_format() -> None:
    for dtype, size in ((torch.float32, "4.00"), (torch.float64, "8.00"), (torch.bfloat16, "2.00")):
        target = hd.Target(nn.Linear(1024, 1024, bias=False, dtype=dtype))
        assert f"({size} MiB for one context)" in hd.summary(hd.HyperDNN(target, Own(target.layout)))


def test_factors_of_a_change_stand_under_their_parameter() -> None:
    target = hd.Target(nn.Sequential(nn.Linear(3, 4)), combine=targets.LowRank(2))
    text = hd.summary(hd.HyperDNN(target, Own(target.layout)))
    assert "(combine: LowRank)" in text
    assert "0.weight  generated: left (4, 2), right (3, 2)" in text


class Own(nn.Module):
    def __init__(self, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, context: Tensor) -> dict[str, Tensor]:
        return self.layout.split(context)


def test_a_hypernet_of_ones_own_and_a_parameter_of_the_module_itself() -> None:
    target = hd.Target(nn.Linear(3, 4))
    text = hd.summary(hd.HyperDNN(target, Own(target.layout)))
    assert "├─ hypernet: Own  0 parameters" in text
    assert "(itself)  generated: weight (4, 3), bias (4,)" in text
