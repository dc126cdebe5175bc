"""`python -m benchmarks.query [NAME ...]`: the query service's figures, on the test profile's servers."""

from benchmarks.program import Measurement, run
from benchmarks.query.get import get_of_a_hot_order, get_of_cached_orders
from benchmarks.query.growth import latency_of_get, latency_of_list, memory_of_a_stream, quickly
from benchmarks.query.list import list_of_orders
from benchmarks.query.search import first_page_of_a_search

_FIGURES: dict[str, Measurement] = {
    "get": get_of_cached_orders,
    "hot": get_of_a_hot_order,
    "list": list_of_orders,
    "search": first_page_of_a_search,
    "memory": quickly(memory_of_a_stream),
    "get-growth": quickly(latency_of_get),
    "list-growth": quickly(latency_of_list),
}

if __name__ == "__main__":
    run("python -m benchmarks.query", __doc__, _FIGURES)
