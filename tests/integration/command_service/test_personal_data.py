"""Customers' keys, and events that are sealed with them, on PostgreSQL."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from command_service.errors import CustomerNotFound
from command_service.event_store.database import Database
from command_service.event_store.port import Appended, Conflict, NewEvent, Remembered
from command_service.event_store.postgres import PostgresEventStore
from command_service.personal_data.keys import DESTROYED, Key, Keys
from command_service.personal_data.master_key_agreement import MasterKeyMissing, agree_on_master_keys
from command_service.personal_data.master_keys import MasterKeys
from command_service.personal_data.rotation import in_use, rewrap
from command_service.personal_data.sealed_event_store import SealedEventStore
from command_service.personal_data.sealing import NotSealedSo
from orderflow.customers.v1 import events_pb2 as customer_events
from orderflow.events.v1.event_log_pb2 import RecordedEvent
from orderflow.orders.v1 import events_pb2 as order_events
from tests.integration.command_service.appends import append_of, key
from tests.integration.command_service.sealed import (
    EMAIL,
    MASTER_KEY,
    NAME,
    OTHER_MASTER_KEY,
    STREET,
    created,
    erased,
    keys_of,
    registered,
)
from tests.integration.conftest import WriteDatabase

_ERASED_TYPE = "orderflow.customers.v1.CustomerErased"


@pytest.fixture
def customer_id() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture
def order_id() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture(autouse=True)
def _agreed(write_database: WriteDatabase) -> None:
    agree_on_master_keys(write_database.service_url, MasterKeys(MASTER_KEY))


@pytest.fixture
async def raw(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with PostgresEventStore(database, 1, max_waiting=1000) as store:
        yield store


@pytest.fixture
def keys(database: Database) -> Keys:
    return keys_of(database)


@pytest.fixture
def store(raw: PostgresEventStore, keys: Keys) -> SealedEventStore:
    return SealedEventStore(raw, keys)


async def logged(raw: PostgresEventStore) -> list[RecordedEvent]:
    return (await raw.read_log(0, 0))[0]


def bytes_of_all_tables(database: WriteDatabase) -> bytes:
    """Everything that the write database holds, as an operator with all rights sees it."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        content = b""
        for (name,) in names:
            with connection.cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as rows:
                content += b"".join(bytes(row) for row in rows)
    return content


async def test_no_table_ever_holds_personal_data_in_plain(
    store: SealedEventStore, write_database: WriteDatabase, customer_id: uuid.UUID, order_id: uuid.UUID
) -> None:
    await store.append(registered(customer_id))
    await store.append(created(customer_id, order_id, request=key("r-1")))
    content = bytes_of_all_tables(write_database)
    assert str(customer_id).encode() in content
    for planted in (NAME, EMAIL, STREET):
        assert planted.encode() not in content


async def test_a_customers_events_are_loaded_in_plain_and_an_orders_without_any_key(
    store: SealedEventStore,
    raw: PostgresEventStore,
    database: Database,
    customer_id: uuid.UUID,
    order_id: uuid.UUID,
) -> None:
    await store.append(registered(customer_id))
    await store.append(created(customer_id, order_id))
    [event] = (await store.load(customer_id, None)).history
    personal = customer_events.CustomerRegistered.FromString(event.event_data).personal_data
    assert (personal.name, personal.email, personal.key_id, personal.sealed) == (NAME, EMAIL, "", b"")
    [event] = (await store.load_many([customer_id]))[customer_id]
    assert customer_events.CustomerRegistered.FromString(event.event_data).personal_data == personal
    keyless = SealedEventStore(raw, keys_of(database, master_keys=MasterKeys(OTHER_MASTER_KEY)))
    [event] = (await keyless.load(order_id, None)).history
    assert order_events.OrderCreated.FromString(event.event_data).personal_data.sealed


async def test_after_an_erasure_nothing_opens_and_the_key_is_gone(
    store: SealedEventStore, keys: Keys, raw: PostgresEventStore, customer_id: uuid.UUID, order_id: uuid.UUID
) -> None:
    await store.append(registered(customer_id))
    await store.append(created(customer_id, order_id))
    before = await keys.of_customer(customer_id)
    assert isinstance(before, Key)
    assert await store.append(erased(customer_id)) == Appended()
    assert await keys.of_customer(customer_id) is DESTROYED
    assert await keys.by_id([before.id]) == {before.id: DESTROYED}
    [registration, _] = (await store.load(customer_id, None)).history
    assert registration == (await raw.load(customer_id, None)).history[0]


async def test_another_process_knows_of_it_when_its_time_is_over_at_the_latest(
    store: SealedEventStore, database: Database, customer_id: uuid.UUID
) -> None:
    now = 100.0
    others = keys_of(database, seconds=10, clock=lambda: now)
    await store.append(registered(customer_id))
    kept = await others.of_customer(customer_id)
    assert isinstance(kept, Key)
    await store.append(erased(customer_id))
    now += 9.9
    assert await others.of_customer(customer_id) is kept
    now += 0.2
    assert await others.of_customer(customer_id) is DESTROYED
    assert await others.by_id([kept.id]) == {kept.id: DESTROYED}


async def test_an_order_of_who_was_erased_is_refused_and_makes_no_key(
    store: SealedEventStore,
    raw: PostgresEventStore,
    database: Database,
    write_database: WriteDatabase,
    customer_id: uuid.UUID,
) -> None:
    await store.append(registered(customer_id))
    await store.append(erased(customer_id))
    for each in (store, SealedEventStore(raw, keys_of(database))):
        with pytest.raises(CustomerNotFound, match="was erased"):
            await each.append(created(customer_id, uuid.uuid4()))
        with pytest.raises(CustomerNotFound, match="was erased"):
            await each.check([order_events.OrderCreated(customer_id=str(customer_id))])
    with psycopg.connect(write_database.service_url) as connection:
        rows = connection.execute("SELECT wrapped_key, destroyed_at IS NOT NULL FROM personal_data_key").fetchall()
    assert rows == [(None, True)]


async def test_a_repeat_of_an_order_of_before_the_erasure_gets_its_answer(
    store: SealedEventStore, customer_id: uuid.UUID, order_id: uuid.UUID
) -> None:
    order = created(customer_id, order_id, request=key("r-1"))
    await store.append(registered(customer_id))
    assert await store.append(order) == Appended()
    await store.append(erased(customer_id))
    assert await store.append(order) == Remembered(b"digest", "contract", b"answer")
    assert await store.append(created(customer_id, order_id)) == Conflict(1)


async def test_a_customer_without_a_key_is_marked_so_that_none_is_made(
    store: SealedEventStore, raw: PostgresEventStore, keys: Keys, customer_id: uuid.UUID
) -> None:
    """As one who was registered before events were sealed."""
    await raw.append(registered(customer_id))
    await store.append(erased(customer_id))
    assert await keys.of_customer(customer_id) is DESTROYED


async def test_an_erasure_whose_process_died_before_the_key_is_settled_by_another(
    store: SealedEventStore, raw: PostgresEventStore, database: Database, customer_id: uuid.UUID
) -> None:
    await store.append(registered(customer_id))
    await raw.append(erased(customer_id))  # what a process does that dies then
    others = keys_of(database)
    assert await others.of_customer(customer_id) is DESTROYED  # at once, whatever becomes of the key
    assert await others.settle() == 1
    assert await others.settle() == 0


async def test_an_erasure_that_was_not_accepted_destroys_nothing(
    store: SealedEventStore, keys: Keys, customer_id: uuid.UUID
) -> None:
    await store.append(registered(customer_id))
    assert await store.append(erased(customer_id, 5)) == Conflict(1)
    assert isinstance(await keys.of_customer(customer_id), Key)


async def test_keys_and_erasures_at_the_same_time_end_in_a_destroyed_key_or_an_order_that_came_before(
    raw: PostgresEventStore, database: Database, write_database: WriteDatabase
) -> None:
    """Processes that know nothing of each other: some make a customer's key while another erases the customer."""
    customers = [uuid.uuid4() for _ in range(30)]
    for each in customers:
        await raw.append(registered(each))
    stores = [SealedEventStore(raw, keys_of(database)) for _ in range(4)]

    async def order(store: SealedEventStore, customer_id: uuid.UUID) -> None:
        try:
            await store.append(created(customer_id, uuid.uuid4()))
        except CustomerNotFound:
            return

    rivals = [order(store, each) for each in customers for store in stores[1:]]
    await asyncio.gather(*rivals, *(stores[0].append(erased(each)) for each in customers))
    with psycopg.connect(write_database.service_url) as connection:
        left = connection.execute("SELECT count(*) FROM personal_data_key WHERE wrapped_key IS NOT NULL").fetchone()
        marked = connection.execute("SELECT count(*) FROM personal_data_key WHERE destroyed_at IS NOT NULL").fetchone()
    assert (left, marked) == ((0,), (len(customers),))


async def test_many_new_customers_share_the_commits_that_make_their_keys(
    keys: Keys, write_database: WriteDatabase
) -> None:
    made = await asyncio.gather(*(keys.of_customer(uuid.uuid4()) for _ in range(200)))
    assert len({each.id for each in made if isinstance(each, Key)}) == 200
    with psycopg.connect(write_database.owner_url) as connection:
        row = connection.execute("SELECT count(DISTINCT xmin::text) FROM personal_data_key").fetchone()
    assert row is not None
    assert row[0] <= 3


async def test_one_key_is_made_however_many_processes_need_it_at_once(
    database: Database, customer_id: uuid.UUID
) -> None:
    made = await asyncio.gather(*(keys_of(database).of_customer(customer_id) for _ in range(20)))
    assert len({each.id for each in made if isinstance(each, Key)}) == 1


async def test_sealed_bytes_moved_to_another_event_do_not_open(
    store: SealedEventStore, raw: PostgresEventStore, customer_id: uuid.UUID
) -> None:
    other = uuid.uuid4()
    await store.append(registered(customer_id))
    stored = (await raw.load(customer_id, None)).history[0]
    moved = customer_events.CustomerRegistered.FromString(stored.event_data)
    moved.customer_id = str(other)
    await raw.append(
        append_of(other, events=[NewEvent(stored.event_type, moved.SerializeToString())], aggregate_type="customer")
    )
    with pytest.raises(NotSealedSo):
        await store.load(other, None)
    found = await store.load_many([other, customer_id])  # one does not keep others from being read
    assert customer_events.CustomerRegistered.FromString(found[customer_id][0].event_data).personal_data.name == NAME
    assert customer_events.CustomerRegistered.FromString(found[other][0].event_data).personal_data.name == ""


# What the database itself refuses.


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE personal_data_key SET wrapped_key = 'x', destroyed_at = NULL",
        "DELETE FROM personal_data_key",
        "UPDATE personal_data_key SET customer_id = gen_random_uuid()",
        "TRUNCATE personal_data_key",
    ],
)
async def test_a_destroyed_key_stays_destroyed(
    store: SealedEventStore, write_database: WriteDatabase, customer_id: uuid.UUID, change: str
) -> None:
    await store.append(registered(customer_id))
    await store.append(erased(customer_id))
    with (
        psycopg.connect(write_database.service_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change)


# Master keys.


async def test_rotation_goes_on_while_customers_are_registered_and_erased_and_nothing_is_lost(
    store: SealedEventStore, raw: PostgresEventStore, database: Database, write_database: WriteDatabase
) -> None:
    before, after = MasterKeys(MASTER_KEY), MasterKeys(OTHER_MASTER_KEY, [MASTER_KEY])
    customers = [uuid.uuid4() for _ in range(1200)]
    for start in range(0, len(customers), 100):
        await asyncio.gather(*(store.append(registered(each)) for each in customers[start : start + 100]))
    agree_on_master_keys(write_database.service_url, after)
    new = SealedEventStore(raw, keys_of(database, master_keys=after, seconds=0))
    rotating = asyncio.create_task(asyncio.to_thread(rewrap, write_database.service_url, after))
    late: list[uuid.UUID] = []
    while not rotating.done():
        late.append(uuid.uuid4())
        await asyncio.gather(new.append(registered(late[-1])), new.append(erased(customers.pop())))
    assert await rotating > 500
    assert in_use(write_database.service_url) == [after.id]
    only_new = SealedEventStore(raw, keys_of(database, master_keys=MasterKeys(OTHER_MASTER_KEY)))
    for history in (await only_new.load_many([*customers[:50], *late])).values():
        assert customer_events.CustomerRegistered.FromString(history[0].event_data).personal_data.name == NAME
    with pytest.raises(MasterKeyMissing):
        agree_on_master_keys(write_database.service_url, before)


async def test_a_server_that_was_not_told_of_the_rotation_can_make_no_key_with_a_retired_master_key(
    store: SealedEventStore, write_database: WriteDatabase, customer_id: uuid.UUID
) -> None:
    after = MasterKeys(OTHER_MASTER_KEY, [MASTER_KEY])
    agree_on_master_keys(write_database.service_url, after)
    rewrap(write_database.service_url, after)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await store.append(registered(customer_id))


async def test_a_wrong_master_key_is_refused_at_start(write_database: WriteDatabase) -> None:
    with pytest.raises(MasterKeyMissing, match=MasterKeys(MASTER_KEY).id):
        agree_on_master_keys(write_database.service_url, MasterKeys(OTHER_MASTER_KEY))
    agree_on_master_keys(write_database.service_url, MasterKeys(OTHER_MASTER_KEY, [MASTER_KEY]))


async def test_the_look_for_who_was_erased_reads_an_index_of_them_alone(
    store: SealedEventStore, write_database: WriteDatabase, customer_id: uuid.UUID
) -> None:
    await store.append(registered(customer_id))
    with psycopg.connect(write_database.service_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT FROM event_store WHERE event_type = %s AND aggregate_id = %s", [_ERASED_TYPE, customer_id]
        ).fetchall()
    assert "event_store_customer_erased_idx" in str(plan)
