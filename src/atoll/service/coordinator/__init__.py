"""The daemon in the middle: what nodes, hosts, programs and users ask of it.

Never imports the node or the host: they meet on the wire.
"""
