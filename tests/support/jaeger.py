"""The real Jaeger, where its binary is in the cache."""

import pytest

from deploy.local.tools import cached_tool

needs_jaeger = pytest.mark.skipif(
    cached_tool("jaeger") is None, reason="no Jaeger binary here; `make jaeger` builds it"
)
