"""Every algorithm of atoll.algorithms with the half that its nodes do, on data that need no files."""
