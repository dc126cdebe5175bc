"""Customers of the views that a rebuild fills a generation with.

Each is looked up once: its later changes were published after the offsets that the generation goes on from were noted.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Generic

from orderflow.customers.v1 import customer_pb2
from projector.customers import Customers
from projector.documents import Views
from projector.patience import Patience
from projector.personal_data import PersonalData
from read_models.read_model import AnyView, ReadModel

_MOST_KEPT = 100_000


class Lookups(Generic[AnyView]):
    """Looks customers up, and has personal data opened, for as long as it takes."""

    def __init__(
        self, read_model: ReadModel[AnyView], customers: Customers, personal_data: PersonalData, patience: Patience
    ) -> None:
        self._read_model = read_model
        self._customers = customers
        self._personal_data = personal_data
        self._patience = patience
        self._known: dict[str, customer_pb2.Customer | None] = {}

    async def completed(self, views: Views[AnyView]) -> Views[AnyView]:
        """The views with their customers, as far as these exist, and with what is sealed of them.

        Raises:
            Outage: the process is to stop.
        """
        opened = await self._patience.until_done(partial(self._personal_data.opened, self._read_model, views))
        shown = self._read_model.enrichment
        if shown is None:
            return opened
        owners = {id_: shown.customer_id(view) for id_, view in opened.items()}
        customers = await self._look_up(set(owners.values()))
        return {id_: shown.with_customer(view, customers[owners[id_]]) for id_, view in opened.items()}

    async def _look_up(self, ids: AbstractSet[str]) -> Mapping[str, customer_pb2.Customer | None]:
        known = {id_: self._known[id_] for id_ in ids if id_ in self._known}
        if unknown := ids - known.keys():
            found = await self._patience.until_done(partial(self._customers.get, unknown))
            known.update({id_: found.get(id_) for id_ in unknown})
            if len(self._known) > _MOST_KEPT:
                self._known.clear()
            self._known.update({id_: known[id_] for id_ in unknown})
        return known
