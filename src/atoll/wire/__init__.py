"""What crosses the network: control messages and bulk transfer.

Doesn't know who decides; daemons and programs speak through it.
"""
