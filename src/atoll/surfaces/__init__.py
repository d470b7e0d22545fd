"""Surfaces: what people touch; thin, each verb calls one function below.

Doesn't know how anything is computed.
"""
