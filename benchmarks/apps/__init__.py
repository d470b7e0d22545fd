"""Apps that the benchmarks run: in modules, so that a pool's workers can import them.

They do not know that they are measured.
"""
