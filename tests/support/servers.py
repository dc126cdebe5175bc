"""Where the real servers of the test profile are."""

from deploy.local.profile import Profile

_PROFILE = Profile("test")
KAFKA_BROKERS = _PROFILE.address("kafka")
READ_ES_URL = f"http://{_PROFILE.address('elasticsearch')}"
REDIS_URL = f"redis://{_PROFILE.address('redis')}/0"
