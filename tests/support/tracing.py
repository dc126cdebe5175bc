"""The one tracer provider that a process has for good, whichever test asks for it first."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def tracer_provider() -> TracerProvider:
    """The provider that all tests of this process share; each adds a processor of its own, and shuts that down."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    return provider
