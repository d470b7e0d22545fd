"""Generated cases are the same on every run."""

from hypothesis import settings

settings.register_profile("atoll", derandomize=True, deadline=None, max_examples=60, print_blob=False)
settings.load_profile("atoll")
