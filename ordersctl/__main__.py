"""Runs the command line; also `python -m ordersctl`."""

import os
import sys


def main() -> None:
    """Runs one command and exits with its status."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines would mix with ours on standard error
    try:
        from ordersctl.app import build  # noqa: PLC0415 -- importing takes a moment, and Ctrl-C works from the start

        build()(prog_name="ordersctl")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
