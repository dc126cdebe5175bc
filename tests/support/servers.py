"""Where the real servers of the test profile are."""

import os

KAFKA_BROKERS = os.environ.get("TEST_KAFKA_BROKERS", "127.0.0.1:29092")
READ_ES_URL = os.environ.get("TEST_READ_ES_URL", "http://127.0.0.1:29200")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:26379/0")
