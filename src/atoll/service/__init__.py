"""The daemons of a deployed federation: coordinator, node and host; they meet only on the wire."""
