import torch

from hyperdnn.lab.report._short import left_out, short, strongest


def test_names_that_fit_stay():
    assert short("task 1") == "task 1"
    assert short("x" * 24) == "x" * 24


def test_long_names_keep_their_ends():
    assert short("the first of all tasks that there are", 12, head=4) == "the \N{HORIZONTAL ELLIPSIS}ere are"
    assert short("encoder.layers.11.self_attn.out_proj", head=0) == "\N{HORIZONTAL ELLIPSIS}s.11.self_attn.out_proj"


def test_the_strongest_keep_their_order():
    values = torch.tensor([1.0, 5.0, float("nan"), 4.0, 9.0])
    assert strongest(values, 3) == [1, 3, 4]
    assert strongest(values, 9) == [0, 1, 2, 3, 4]


def test_what_is_left_out_is_said():
    assert left_out(5, 5, "layers") == ""
    assert left_out(30, 20, "layers") == " The 20 strongest of 30 layers are shown."
