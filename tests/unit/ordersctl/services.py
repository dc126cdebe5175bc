"""All services of the contract on a real gRPC server, answering what a test says and keeping what they are asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from orderflow.admin.v1 import (
    personal_data_admin_service_pb2,
    projection_admin_service_pb2,
    relay_admin_service_pb2,
)
from orderflow.customers.v1 import customer_service_pb2
from orderflow.fulfillment.v1 import query_service_pb2 as fulfillment_query_service_pb2
from orderflow.inventory.v1 import inventory_command_service_pb2, inventory_query_service_pb2
from orderflow.orders.v1 import command_service_pb2, query_service_pb2
from service_kit.errors import ServiceError

Answer = Callable[[Any], Message | Iterable[Message]]
_SERVICES: tuple[ServiceDescriptor, ...] = (
    command_service_pb2.DESCRIPTOR.services_by_name["OrderCommandService"],
    query_service_pb2.DESCRIPTOR.services_by_name["OrderQueryService"],
    customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"],
    inventory_command_service_pb2.DESCRIPTOR.services_by_name["InventoryCommandService"],
    fulfillment_query_service_pb2.DESCRIPTOR.services_by_name["FulfillmentQueryService"],
    inventory_query_service_pb2.DESCRIPTOR.services_by_name["InventoryQueryService"],
    relay_admin_service_pb2.DESCRIPTOR.services_by_name["RelayAdminService"],
    personal_data_admin_service_pb2.DESCRIPTOR.services_by_name["PersonalDataAdminService"],
    projection_admin_service_pb2.DESCRIPTOR.services_by_name["ProjectionAdminService"],
)


class Services:
    """Answers each method as told; a method that nobody spoke of answers with an empty message or stream."""

    def __init__(self) -> None:
        self.address = ""
        self.requests: list[Message] = []
        self._answers: dict[str, Answer] = {}

    def answer(self, method: str, answer: Message | Iterable[Message] | Answer) -> None:
        """Says what a method answers: a message, messages, or a function of the request that may raise."""
        self._answers[method] = answer if callable(answer) else lambda _: answer

    def refuse(self, method: str, refusal: ServiceError) -> None:
        """Says that a method refuses."""

        def refused(_: Message) -> Message:
            raise refusal

        self._answers[method] = refused

    @property
    def request(self) -> Message:
        """The only request there was."""
        (request,) = self.requests
        return request

    def handlers(self) -> Iterator[grpc.GenericRpcHandler]:
        """What a server needs to serve all of them."""
        for service in _SERVICES:
            methods = {method.name: self._handler(method) for method in service.methods}
            yield grpc.method_handlers_generic_handler(service.full_name, methods)

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
        coding: Mapping[str, Any] = {
            "request_deserializer": GetMessageClass(method.input_type).FromString,
            "response_serializer": GetMessageClass(method.output_type).SerializeToString,
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._all(method, request, context), **coding
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._one(method, request, context), **coding
        )

    def _one(self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        answer = self._answers.get(method.name, lambda _: GetMessageClass(method.output_type)())
        try:
            return answer(request)
        except ServiceError as refusal:
            _abort(context, refusal)

    def _all(self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        self.requests.append(request)
        try:
            yield from self._answers.get(method.name, lambda _: [])(request)  # type: ignore[misc]
        except ServiceError as refusal:
            _abort(context, refusal)


def _abort(context: grpc.ServicerContext, refusal: ServiceError) -> NoReturn:
    status = rpc_status.to_status(refusal.status())
    at_once = ("grpc-retry-pushback-ms", "-1")  # gRPC's own retries are not what is tested, and take their time
    context.set_trailing_metadata((*(status.trailing_metadata or ()), at_once))
    context.abort(refusal.code, refusal.message)


@contextmanager
def serving(services: Services) -> Iterator[Services]:
    """Serves on a free port of this machine."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers(tuple(services.handlers()))
    services.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield services
    finally:
        server.stop(grace=None).wait()
