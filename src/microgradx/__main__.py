"""``python -m microgradx``: the `microgradx` command."""

import sys

from microgradx.cli import main

if __name__ == "__main__":
    sys.exit(main())
