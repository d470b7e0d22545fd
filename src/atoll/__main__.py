"""`python -m atoll`: the command line.

Doesn't know the commands.
"""

import sys

from atoll.surfaces.cli import main

if __name__ == "__main__":
    sys.exit(main())
