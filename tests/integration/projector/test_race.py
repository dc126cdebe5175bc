"""An order is created while its customer changes: however the two cross, the document ends with the customer as is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from orderflow.customers.v1 import customer_pb2
from projector.cached_views import CachedViews
from projector.documents import Documents
from projector.event_log import EventLog
from projector.events import OrderEvent
from projector.index import ReadModelIndex
from projector.patience import Patience
from projector.projection import OrderProjection
from read_models import orders_index
from service_kit.view_cache import ViewCache
from tests.integration.projector.read_side import ReadSide
from tests.support.servers import REDIS_URL
from tests.unit.read_models.builders import confirmed, created
