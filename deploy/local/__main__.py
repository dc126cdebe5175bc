"""The local stack's command line: `python -m deploy.local --help`."""

import sys

from deploy.local.cli import main

if __name__ == "__main__":
    sys.exit(main())
