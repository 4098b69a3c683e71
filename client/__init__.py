"""Talks to a desk from outside: `Desk` in Python, `counterfoil` in a shell. It knows the contracts and no service."""

from client.desk import Desk

__all__ = ["Desk"]
