"""`python -m command_service.fulfillment`: moves orders of automatic fulfillment on."""

import argparse
from functools import partial

from command_service.fulfillment.app import serve
from command_service.fulfillment.settings import FulfillmentSettings
from service_kit import process
from service_kit.settings import load

if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m command_service.fulfillment", description=__doc__)
    parser.add_argument("--supervised", action="store_true", help="stop when standard input closes")
    supervised = parser.parse_args().supervised
    settings = load(FulfillmentSettings)
    process.run("command_service.fulfillment", settings, partial(serve, settings), watch_stdin=supervised)
