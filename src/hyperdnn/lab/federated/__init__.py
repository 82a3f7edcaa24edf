"""The clients of `lab.train.rounds` on Flower: simulated on one machine, or each on a machine of its own.

Server and clients are those of the loop; only what they say to each other travels, as arrays that are checked on
arrival, and never as pickles. `simulate` runs a server with clients in processes of Ray. `server_app` and `client_app`
are what ``flwr run`` starts on real nodes; `Connect` is what a server app gives to `lab.run`. The names need the extra
``fed``.
"""

from hyperdnn.lab.federated._client_app import client_app
from hyperdnn.lab.federated._server_app import Connect, server_app
from hyperdnn.lab.federated._simulate import simulate

__all__ = ["simulate", "server_app", "client_app", "Connect"]
