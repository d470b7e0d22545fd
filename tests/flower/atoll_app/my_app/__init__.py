"""my-app: handwritten digits, for Atoll."""
