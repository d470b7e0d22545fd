"""my-app: handwritten digits, for Flower."""
