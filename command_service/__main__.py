"""`python -m command_service`: serves commands, and the relay that publishes what it accepts."""

import argparse
from functools import partial

from command_service.app import serve
from command_service.relay.settings import RelaySettings
from command_service.settings import CommandSettings
from service_kit import process
from service_kit.settings import load

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m command_service", description=__doc__)
    parser.add_argument("--no-relay", action="store_true", help="run `python -m command_service.relay` yourself")
    with_relay = not parser.parse_args().no_relay
    settings = load(CommandSettings)
    if with_relay:
        load(RelaySettings)  # what the relay would not start with is said here, once
    process.run("command_service", settings, partial(serve, settings, with_relay=with_relay))
