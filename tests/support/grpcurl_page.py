"""docs/grpcurl.md, made of calls by hand and what was answered to them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.contracts import services
from tests.support.grpcurl import Call

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "grpcurl.md"
WRITE = "ORDERFLOW_WRITE_PAGES=1 make test PYTEST_ARGS=tests/e2e/test_grpcurl.py"
_HEAD = f"""# By hand

Every RPC as a line for [grpcurl](https://github.com/fullstorydev/grpcurl), with the answer that came, \
in the order of an order's journey. `make run` starts the servers, `make grpcurl` prints where grpcurl is. \
[The reference](reference.md) says what each element means.

Names in capitals stand for what differs each time: put your own ids and tokens there. `…` stands for more. \
Fields with their default value are left out, unless `-emit-defaults` is given.

Written by `{WRITE}`, which plays all of it; without the variable it compares.
"""
_JOURNEY = (
    "customers.v1.CustomerService",
    "orders.v1.OrderCommandService",
    "orders.v1.OrderQueryService",
    "inventory.v1.InventoryCommandService",
    "inventory.v1.InventoryQueryService",
    "fulfillment.v1.FulfillmentQueryService",
    "events.v1.EventLogService",
    "customers.v1.PersonalDataService",
    "admin.v1.RelayAdminService",
    "admin.v1.ProjectionAdminService",
    "admin.v1.PersonalDataAdminService",
)
_PORTS = {"command_service": 50051, "query_service": 50052, "projector": 50053}
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z")
_OWN_NAME = re.compile(
    r'("(consistency_token|resume_token|event_data|sealed|key_id|personal_data|trace_id|traceparent)": )"[^"]+"'
)
_VALUE = re.compile(r'(": )("(?:[^"\\]|\\.)*"|-?\d[\d.]*|true|false|null)(?=,?$)', re.MULTILINE)
_VARIES = r"READ_SOURCE_\w+|GENERATION_STATE_\w+|TIME|UUID|TRACEPARENT"
_NAME = re.compile(rf'"(?!(?:{_VARIES})")[A-Z][A-Z_]+"')
_SOMETIMES = {"rebuild"}  # there once something was rebuilt
_MORE = re.compile(r',?\n *"?…"?$', re.MULTILINE)


def page(calls: Sequence[Call], names: Mapping[str, str]) -> str:
    """The page; fails where an RPC was not called.

    Args:
        names: placeholders by the values they stand for.
    """
    ours = {each.full_name for each in services()}
    assert ours == {f"orderflow.{name}" for name in _JOURNEY}, "put the new service into its place"
    return "\n".join([_HEAD, *(line for name in _JOURNEY for line in _chapter(f"orderflow.{name}", calls, names))])


def skeleton(text: str) -> str:
    """A page without what may differ: names of fields and names in capitals stay, other values do not."""
    return _VALUE.sub(lambda found: found[0] if _NAME.fullmatch(found[2]) else f"{found[1]}…", _MORE.sub("", text))


def _chapter(service: str, calls: Sequence[Call], names: Mapping[str, str]) -> Iterator[str]:
    here = [call for call in calls if call.service == service]
    methods = list(dict.fromkeys(call.method for call in here))
    [known] = [{method.name for method in each.methods} for each in services() if each.full_name == service]
    assert set(methods) == known, f"{service}: not called: {sorted(known - set(methods))}"
    short = service.rpartition(".")[2]
    yield f"## {short}\n\n{_sentence('###', short)}\n"
    for method in methods:
        yield f"### {method}\n\n{_sentence('####', method)}\n"
        ours = [call for call in here if call.method == method]
        for call in [each for each in ours if not each.refusal][:1] + [each for each in ours if each.refusal]:
            yield _block(call, names)


def _sentence(level: str, name: str) -> str:
    """The first sentence of an element's comment, as the reference has it."""
    reference = (_DOCS / "reference.md").read_text()
    found = re.search(rf"^{level} {name}\n\n(?:`rpc [^`]*`\n\n)?([\s\S]+?[.:])(?=\s)", reference, re.MULTILINE)
    assert found, f"{name} is not in the reference: run make proto"
    return found[1].replace("\n", " ").removesuffix(":").removesuffix(".") + "."


def _block(call: Call, names: Mapping[str, str]) -> str:
    request = f"-d '{json.dumps(call.request, ensure_ascii=False)}'"
    command = " ".join(["grpcurl -plaintext", *call.options, request, f"localhost:{_PORTS[call.server]}"])
    answers = [json.dumps(_cut(each), indent=2, ensure_ascii=False) for each in call.responses[:1]]
    if len(call.responses) > 1:
        answers.append("…")
    if call.refusal:
        answers.append(call.refusal.replace("\t", "  ").rstrip())
    said = "\n".join([f"$ {command} {call.service}/{call.method}", *answers])
    return f"```console\n{_named(said, names)}\n```\n"


def _cut(value: Any) -> Any:
    match value:
        case dict():
            return {key: "…" if key in _SOMETIMES else _cut(each) for key, each in value.items()}
        case [first, _, *_]:
            return [_cut(first), "…"]
        case [only]:
            return [_cut(only)]
        case _:
            return value


def _named(text: str, names: Mapping[str, str]) -> str:
    for value, name in names.items():
        text = text.replace(value, name)
    text = _OWN_NAME.sub(lambda found: f'{found[1]}"{found[2].upper()}"', text)
    return _TIME.sub("TIME", _UUID.sub("UUID", text))
