"""Objects: immutable bytes named by their hash.

Doesn't know what they mean, or who may see them.
"""
