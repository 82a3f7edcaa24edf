"""A server: what it sends to clients, and how much each reply counts."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Protocol, final, runtime_checkable

from torch import Tensor, nn

from hyperdnn.errors import ConfigError
from hyperdnn.models import HyperDNN
from hyperdnn.targets import Target
from hyperdnn.typing import Weights

__all__ = ["Averaging", "Generating", "Returning", "Server", "network_of"]


@runtime_checkable
class Server(Protocol):
    """What `rounds` asks of a server. Its gradient is the vector-Jacobian product of what it sends with the replies."""

    def weights(self, clients: Tensor) -> Weights:
        """What these clients are sent, computed from what is trained: ``(clients)`` -> ``(clients, *shape)``."""

    def shares(self, samples: Sequence[int]) -> list[float]:
        """How much each reply counts, from the number of its client's samples; they sum to 1 if clients share."""


@final
class Generating:
    """Each client gets the weights that a hypernet generates for its index; all count the same.

    Args:
        model: a `HyperDNN` whose hypernet takes indices.

    Raises:
        ConfigError: for another model.

    Source:
        Shamsian et al., "Personalized Federated Learning using Hypernetworks", ICML 2021, algorithm 1.
    """

    def __init__(self, model: Any) -> None:
        if not isinstance(model, HyperDNN):
            raise ConfigError(
                f"Generating sends what a HyperDNN generates, got {type(model).__name__}. For federated averaging of a "
                "baselines.Plain give rounds server=lab.train.Averaging."
            )
        self.model: HyperDNN = model

    def weights(self, clients: Tensor) -> Weights:
        """Generated for each client."""
        return self.model.generate(clients)

    def shares(self, samples: Sequence[int]) -> list[float]:
        """Equal: the mean over clients is minimised."""
        return [1 / len(samples)] * len(samples)


@final
class Averaging:
    """All clients get the same weights; replies count by samples: federated averaging, if the server's step is 1.

    With SGD, ``lr=1`` and no momentum, the server's weights become the mean of the clients'. Another optimiser makes
    one of the methods of Reddi et al., "Adaptive federated optimization", ICLR 2021.

    Args:
        model: a `baselines.Plain`, whose trained parameters are sent. What is frozen and its buffers are not.

    Raises:
        ConfigError: for another model.

    Source:
        McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017.
    """

    def __init__(self, model: Any) -> None:
        self.net = _net(model)

    def weights(self, clients: Tensor) -> Weights:
        """The same for each client."""
        trained = {name: p for name, p in self.net.named_parameters() if p.requires_grad}
        return {name: parameter.expand(len(clients), *parameter.shape) for name, parameter in trained.items()}

    def shares(self, samples: Sequence[int]) -> list[float]:
        """By samples."""
        return [number / sum(samples) for number in samples]


@final
class Returning:
    """Each client gets back what it trained, if the server's step is 1: nobody learns from anybody.

    This is what clients come to on their own, in as many steps. With SGD, ``lr=1`` and no momentum.

    Args:
        model: a `HyperDNN` whose clients share nothing, such as one of `baselines.Separate`.

    Raises:
        ConfigError: for another model.
    """

    def __init__(self, model: Any) -> None:
        self.server = Generating(model)

    def weights(self, clients: Tensor) -> Weights:
        """Those of each client."""
        return self.server.weights(clients)

    def shares(self, samples: Sequence[int]) -> list[float]:
        """All of it, for everyone."""
        return [1.0] * len(samples)


def network_of(model: nn.Module) -> Target:
    """A copy of the network that clients train, whose layout is what is sent; what is frozen is shared and not copied.

    Raises:
        ConfigError: for what is neither a `HyperDNN` nor a network under its call.
    """
    module = model.target if isinstance(model, HyperDNN) else _net(model)
    copy = deepcopy(module, {id(p): p for p in module.parameters() if not p.requires_grad})
    return copy if isinstance(copy, Target) else _target(copy)


def _target(net: nn.Module) -> Target:
    trained = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    return Target(net, trained, buffers="shared")  # one context at a time: as the network itself has them


def _net(model: Any) -> nn.Module:
    net = getattr(model, "net", None)
    if not isinstance(net, nn.Module):
        raise ConfigError(
            f"rounds trains a HyperDNN, or baselines.Plain with server=lab.train.Averaging, got {type(model).__name__}."
        )
    return net
