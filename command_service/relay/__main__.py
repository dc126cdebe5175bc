"""`python -m command_service.relay`: publishes the log to Kafka."""

import argparse
from functools import partial

from command_service.relay.app import serve
from command_service.relay.settings import RelaySettings
from service_kit import process
from service_kit.settings import load

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m command_service.relay", description=__doc__)
    parser.add_argument("--supervised", action="store_true", help="stop when standard input closes")
    supervised = parser.parse_args().supervised
    settings = load(RelaySettings)
    process.run("command_service.relay", settings, partial(serve, settings), watch_stdin=supervised)
