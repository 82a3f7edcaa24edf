"""Federated learning: clients that keep their data train with a server."""
