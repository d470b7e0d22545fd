"""Adapters: how each framework's models become Arrays, and Arrays its models.

Doesn't know of rounds or nodes. Nothing is imported here: `atoll.torch` imports torch, when somebody asks for it.
"""
