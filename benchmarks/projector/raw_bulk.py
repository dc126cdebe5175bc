"""What Elasticsearch takes from one client that streams the same documents, made beforehand, into the same index."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk

from deploy.local.profile import Profile
from read_models.orders import ORDERS

_DOCUMENTS_A_REQUEST = 1000


def stream(documents: Sequence[tuple[str, Mapping[str, Any]]], *, found_at_once: bool) -> float:
    """Documents a second.

    Args:
        found_at_once: as in an index that is read; else they are found when all are written, as in one being filled.
    """
    index = f"bench-{uuid.uuid4().hex[:12]}"
    body = ORDERS.index_body()
    settings = body["settings"]["index"] if found_at_once else {**body["settings"]["index"], "refresh_interval": "-1"}
    with Elasticsearch(Profile("test").environment()["READ_ES_URL"], request_timeout=60) as client:
        client.indices.create(index=index, settings={"index": settings}, mappings=body["mappings"])
        try:
            begin = time.perf_counter()
            actions = ({"_op_type": "create", "_id": id_, "_source": document} for id_, document in documents)
            for _ in streaming_bulk(client, actions, index=index, chunk_size=_DOCUMENTS_A_REQUEST):
                pass
            if not found_at_once:
                client.indices.refresh(index=index)
            return len(documents) / (time.perf_counter() - begin)
        finally:
            client.indices.delete(index=index)
