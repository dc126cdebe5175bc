"""`python -m benchmarks.projector [NAME ...]`: the projector's figures, on the test profile's servers."""

from benchmarks.database import on_a_database
from benchmarks.program import run
from benchmarks.projector.backlog import backlog_of_changed_orders, backlog_of_new_orders
from benchmarks.projector.latency import found_by_search, readable_by_id
from benchmarks.projector.rebuild import rebuild_of_orders

_FIGURES = {
    "backlog": backlog_of_new_orders,
    "backlog-5": backlog_of_changed_orders,
    "rebuild": rebuild_of_orders,
    "by-id": readable_by_id,
    "by-search": found_by_search,
}

if __name__ == "__main__":
    run("python -m benchmarks.projector", __doc__, {name: on_a_database(each) for name, each in _FIGURES.items()})
