"""__name__: handwritten digits, learnt by nodes that keep their data."""
