"""What one process began goes on in two, and what two began is left for one."""

import torch
from pair import FOLDER, main
from trainings import train

from hyperdnn.lab.train._gradients import whole


def check_one_process_is_gone_on_with(rank):
    expected = torch.load(FOLDER / "expected.pt", weights_only=True)
    for strategy in ("ddp", "fsdp"):
        resumed = train(FOLDER / f"one for {strategy}", strategy=strategy)
        for name, parameter in resumed.model.named_parameters():
            torch.testing.assert_close(whole(parameter), expected[name], rtol=0, atol=1e-5)


def check_others_than_the_first_draw_apart(rank):
    torch.manual_seed(0)  # as they would not
    train(FOLDER / "one for dropout", strategy="ddp", dropout=0.2)
    both = [torch.empty_like(torch.get_rng_state()) for _ in range(2)]
    torch.distributed.all_gather(both, torch.get_rng_state())
    assert not torch.equal(*both)


def check_two_are_left(rank):
    for strategy in ("ddp", "fsdp"):
        assert train(FOLDER / f"two by {strategy}", until=9, strategy=strategy) is None


if __name__ == "__main__":
    main(globals())
