"""Prepares the data that scenarios need, and lets each language's runner play them."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.type import money_pb2

from conformance.faulty_proxy import FaultyProxy
from conformance.languages import ROOT, Language
from deploy.local.profile import Profile
from orderflow.common.v1 import address_pb2
from orderflow.orders.v1 import commands_pb2, order_pb2, queries_pb2
from orderflow_client import AsyncClient
from orderflow_client.tokens import MOST_TOKENS

SCENARIOS = Path(__file__).with_name("scenarios.json")
SERVICE_CONFIG = ROOT / "protos" / "orderflow" / "service_config.json"
BULK_COUNT = 250
"""Three messages of a list: two breaks."""
_AT_ONCE = 20
_OUTPUT_LINES = 30
_VERDICT = '{"scenario"'


@dataclass(frozen=True)
class Result:
    """How a language did.

    Args:
        skipped: what it lacks here.
        failed: each scenario that failed, and why; `""` for the language as a whole.
    """

    language: str
    skipped: Sequence[str] = ()
    passed: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    example: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed


async def play(languages: Iterable[Language], scenarios: Path = SCENARIOS) -> list[Result]:
    """Each language's result, one after the other, against the test profile's services."""
    profile = Profile("test")
    addresses = {name: profile.address(f"{name}_service") for name in ("command", "query")}
    proxy = FaultyProxy(**addresses)
    await proxy.start()
    try:
        bulk = await _bulk_customer(addresses)
        results = []
        for language in languages:
            run = _Run(language, scenarios, {**addresses, "faulty": f"127.0.0.1:{proxy.port}"}, bulk, proxy)
            results.append(await run.result())
        return results
    finally:
        await proxy.stop()


class _Run:
    def __init__(
        self, language: Language, scenarios: Path, addresses: Mapping[str, str], bulk: str, proxy: FaultyProxy
    ) -> None:
        self._language = language
        self._scenarios = scenarios
        self._proxy = proxy
        self._id = uuid.uuid4().hex[:12]
        self._values = {
            "run": self._id,
            "trace": uuid.uuid4().hex,
            "bulk_customer": bulk,
            "bulk_count": BULK_COUNT,
        }
        self._environment = {
            **{f"ORDERFLOW_{name.upper()}_ADDRESS": address for name, address in addresses.items()},
            "ORDERFLOW_SERVICE_CONFIG": str(SERVICE_CONFIG),
            "CONFORMANCE_VARIABLES": json.dumps(self._values),
        }

    async def result(self) -> Result:
        name, start = self._language.name, time.monotonic()
        missing = self._language.missing()
        if missing:
            return Result(name, skipped=missing)
        for command in self._language.prepare:
            if error := await self._failed(command):
                return Result(name, failed={"": error}, seconds=time.monotonic() - start)
        start = time.monotonic()
        runner = [word.replace("{scenarios}", str(self._scenarios)) for word in self._language.runner]
        done = await asyncio.to_thread(self._language.run, runner, self._environment)
        passed, failed = self._verdicts(done.stdout)
        if done.returncode != 0:
            failed[""] = _ending("the runner failed", done.stdout, done.stderr)
        example = await self._failed(self._language.example)
        if example:
            failed["example"] = example
        return Result(name, (), passed, failed, not example, time.monotonic() - start)

    async def _failed(self, command: Sequence[str]) -> str:
        done = await asyncio.to_thread(self._language.run, command, self._environment)
        return _ending(f"failed: {' '.join(command)}", done.stdout, done.stderr) if done.returncode != 0 else ""

    def _verdicts(self, output: str) -> tuple[list[str], dict[str, str]]:
        told = {}
        for line in output.splitlines():
            _, found, rest = line.partition(_VERDICT)  # Maven puts the end of a colour before the first
            if found:
                verdict = json.loads(found + rest)
                told[verdict["scenario"]] = "" if verdict["ok"] else f"step {verdict['step']}: {verdict['why']}"
        for scenario in json.loads(self._scenarios.read_text())["scenarios"]:
            wrong = told.setdefault(scenario["name"], "it was not played") or self._attempts(scenario["steps"])
            told[scenario["name"]] = wrong
        return [name for name, wrong in told.items() if not wrong], {
            name: wrong for name, wrong in told.items() if wrong
        }

    def _attempts(self, steps: Sequence[Mapping[str, Any]]) -> str:
        for step in steps:
            if "attempts" in step:
                made = self._proxy.attempts[step["metadata"]["x-call"].replace("${run}", self._id)]
                if made != step["attempts"]:
                    return f"{made} attempts were made, not {step['attempts']}"
        return ""


async def _bulk_customer(addresses: Mapping[str, str]) -> str:
    """A customer with many orders, all of them visible in lists."""
    customer = str(uuid.uuid4())
    room = asyncio.Semaphore(_AT_ONCE)
    async with AsyncClient(command=addresses["command"], query=addresses["query"]) as client:

        async def created() -> str:
            async with room:
                return (await client.orders.CreateOrder(_order(customer))).consistency_token

        tokens = await asyncio.gather(*(created() for _ in range(BULK_COUNT)))
        for first in range(0, BULK_COUNT, MOST_TOKENS):
            wanted = tokens[first : first + MOST_TOKENS]
            request = queries_pb2.ListOrdersRequest(
                filter=queries_pb2.OrderFilter(customer_id=customer), limit=1, consistency_tokens=wanted
            )
            async for _ in client.queries.ListOrders(request):
                pass
    return customer


def _order(customer_id: str) -> commands_pb2.CreateOrderRequest:
    price = money_pb2.Money(currency_code="EUR", units=12)
    address = address_pb2.Address(
        recipient="Ada Lovelace", address_lines=["Marktplatz 1"], locality="Bonn", region_code="DE"
    )
    line = order_pb2.OrderItem(sku="PEN-1", product_name="Pen", quantity=1, unit_price=price)
    return commands_pb2.CreateOrderRequest(customer_id=customer_id, items=[line], shipping_address=address)


def _ending(what: str, stdout: str, stderr: str) -> str:
    return "\n".join([what, *(stdout + stderr).splitlines()[-_OUTPUT_LINES:]])
