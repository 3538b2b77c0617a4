"""Starts the kill rig; see `kill/run.py`, or --help."""

import sys

from kill.run import main

if __name__ == "__main__":
    sys.exit(main())
