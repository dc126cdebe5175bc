"""Plays conformance/scenarios.json through the generated Python; conformance/README.md says what each word means."""

import importlib
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor

import orderflow
from orderflow_client.errors import OrderflowError, error_of

DEADLINE_MS = 20_000


class Unexpected(Exception):
    """A step did not go as the scenario says."""


def main() -> None:
    """Plays every scenario and prints how each went."""
    given_set = os.environ.get("CONFORMANCE_DESCRIPTOR_SET")
    methods = methods_of(Path(given_set)) if given_set else generated_methods()
    channels = opened_channels()
    given = json.loads(os.environ["CONFORMANCE_VARIABLES"])
    for scenario in json.loads(Path(sys.argv[1]).read_text())["scenarios"]:
        values = {**given, **{name: str(uuid.uuid4()) for name in scenario["uuids"]}}
        player = Player(methods, channels, values)
        verdict: dict[str, Any] = {"scenario": scenario["name"], "ok": True}
        for number, step in enumerate(scenario["steps"]):
            try:
                player.play(step)
            except (Unexpected, OrderflowError) as error:
                verdict.update(ok=False, step=number, why=str(error))
                break
        print(json.dumps(verdict), flush=True)


def generated_methods() -> Mapping[str, MethodDescriptor]:
    """Every method of the contracts, by `package.Service/Method`."""
    found = {}
    for folder in map(Path, orderflow.__path__):
        for path in folder.rglob("*_pb2.py"):
            name = ".".join(["orderflow", *path.relative_to(folder).with_suffix("").parts])
            for service in importlib.import_module(name).DESCRIPTOR.services_by_name.values():
                found.update({f"{service.full_name}/{method.name}": method for method in service.methods})
    return found


def methods_of(descriptor_set: Path) -> Mapping[str, MethodDescriptor]:
    """The same of other contracts: of an earlier release, say."""
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    for file in files:  # each comes after what it imports
        pool.Add(file)
    services = [pool.FindServiceByName(f"{file.package}.{each.name}") for file in files for each in file.service]
    return {f"{each.full_name}/{method.name}": method for each in services for method in each.methods}


def opened_channels() -> Mapping[str, grpc.Channel]:
    """A channel to each server, with the shipped service config."""
    options = [("grpc.service_config", Path(os.environ["ORDERFLOW_SERVICE_CONFIG"]).read_text())]
    return {
        name: grpc.insecure_channel(os.environ[f"ORDERFLOW_{name.upper()}_ADDRESS"], options=options)
        for name in ("command", "query", "faulty")
    }


class Player:
    """Plays the steps of one scenario."""

    def __init__(
        self, methods: Mapping[str, MethodDescriptor], channels: Mapping[str, grpc.Channel], values: dict[str, Any]
    ) -> None:
        self._methods, self._channels, self._values = methods, channels, values

    def play(self, step: dict[str, Any]) -> None:
        """Plays one step; `then` is replaced only when its own turn comes."""
        then = step.get("then", [])
        step = self._replaced({key: value for key, value in step.items() if key != "then"})
        verb = next(each for each in ("call", "list", "watch", "cancel") if each in step)
        getattr(self, f"_{verb}")(step, then)

    def _call(self, step: dict[str, Any], _: list[Any]) -> None:
        for _repeat in range(step.get("repeat", 1)):
            answers = self._judged(step, lambda: list(self._messages(step["call"], step)))
            if answers is not None:
                self._keep(step, answers[0])

    def _list(self, step: dict[str, Any], _: list[Any]) -> None:
        messages = self._judged(step, lambda: self._listed(step))
        if messages is None:
            return
        self._keep(step, messages)
        if "field" in step:
            keys = [each[step["key"]] for message in messages for each in message.get(step["field"], [])]
            if "keys" in step:
                expect(step["keys"], keys, step["key"])
            elif not len(keys) == len(set(keys)) == step["count"]:
                raise Unexpected(f"{len(set(keys))} different among {len(keys)}, not {step['count']}")

    def _watch(self, step: dict[str, Any], then: list[Any]) -> None:
        messages = self._messages(step["watch"], step)
        self._await(messages, step["first"])
        for each in then:
            self.play(each)
        self._await(messages, step["next"])
        messages.close()  # type: ignore[attr-defined]

    def _cancel(self, step: dict[str, Any], _: list[Any]) -> None:
        call = self._started(step["cancel"], step)
        try:
            call.result(timeout=step["after_ms"] / 1000)
        except grpc.FutureTimeoutError:
            call.cancel()
        if call.code() is not grpc.StatusCode.CANCELLED:
            raise Unexpected(f"ended as {call.code()}")

    def _listed(self, step: dict[str, Any]) -> list[Any]:
        messages: list[Any] = []
        breaks = 0
        while True:
            before = len(messages)
            try:
                messages.extend(self._messages(step["list"], step))  # keeps what came before a break
            except OrderflowError as error:
                goes_on = "resume" in step and error.code is grpc.StatusCode.UNAVAILABLE and len(messages) > before
                if not goes_on:
                    raise
                breaks += 1
                step["request"]["resume_token"] = messages[-1]["resume_token"]
                continue
            if breaks < step.get("resume", 0):
                raise Unexpected(f"broke {breaks} times")
            return messages

    def _await(self, messages: Iterator[Any], expected: Any) -> None:
        for message in messages:
            if not differences(expected, message, "message"):
                return
        raise Unexpected("the stream ended")

    def _judged(self, step: dict[str, Any], answer: Any) -> Any:
        """The answer; None where the step was refused as it should be."""
        refused = step.get("refused")
        try:
            answered = answer()
        except OrderflowError as error:
            if refused is None:
                raise
            told = {
                "code": error.code.name,
                "reason": error.reason,
                "fields": sorted(each.field for each in error.fields),
                "metadata": dict(error.metadata),
                "subject": error.violations[0].subject if error.violations else None,
                "retry_after": error.retry_after is not None,
            }
            expect({**refused, **({"fields": sorted(refused["fields"])} if "fields" in refused else {})}, told, "error")
            return None
        if refused is not None:
            raise Unexpected("it was not refused")
        return answered

    def _keep(self, step: dict[str, Any], answer: Any) -> None:
        if "answer" in step:
            expect(step["answer"], answer, "answer")
        if "as" in step:
            self._values[step["as"]] = answer

    def _messages(self, name: str, step: dict[str, Any]) -> Iterator[Any]:
        call = self._started(name, step)
        try:
            for message in [call.result()] if not self._methods[name].server_streaming else call:
                yield json_format.MessageToDict(message, preserving_proto_field_name=True)
        except grpc.RpcError as error:
            raise error_of(error) from error  # type: ignore[arg-type]
        finally:
            call.cancel()

    def _started(self, name: str, step: dict[str, Any]) -> Any:
        method = self._methods[name]
        request = message_factory.GetMessageClass(method.input_type)()
        json_format.ParseDict(step.get("request", {}), request)
        channel = self._channels[step.get("via") or ("query" if "QueryService/" in name else "command")]
        answer_class = message_factory.GetMessageClass(method.output_type)
        how = f"/{name}", type(request).SerializeToString, answer_class.FromString
        start = channel.unary_stream(*how) if method.server_streaming else channel.unary_unary(*how).future
        return start(
            request,
            timeout=step.get("deadline_ms", DEADLINE_MS) / 1000,
            metadata=tuple(step.get("metadata", {}).items()),
        )

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._replaced(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._replaced(each) for each in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\$\{([^}]+)\}", value)
        if whole:
            return self._value(whole[1])
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(self._value(match[1])), value)

    def _value(self, path: str) -> Any:
        value: Any = self._values
        for part in path.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value


def expect(expected: Any, found: Any, path: str) -> None:
    """Raises unless what was found holds what was expected."""
    wrong = differences(expected, found, path)
    if wrong:
        raise Unexpected(wrong)


def differences(expected: Any, found: Any, path: str) -> str:
    """What does not hold; empty where all does."""
    if isinstance(expected, dict) and isinstance(found, dict):
        parts = (differences(each, found.get(key), f"{path}.{key}") for key, each in expected.items())
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        parts = (differences(*pair, f"{path}.{at}") for at, pair in enumerate(zip(expected, found, strict=True)))
    elif expected == found or (expected == "*" and found is not None):
        return ""
    else:
        return f"{path}: {json.dumps(found)}, not {json.dumps(expected)}"
    return next((part for part in parts if part), "")


if __name__ == "__main__":
    main()
