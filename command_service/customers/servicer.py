"""CustomerService over gRPC: commands to the handler, reads from the events."""

from uuid import UUID

from command_service.customers.state import Customer
from command_service.errors import CustomerNotFound
from command_service.handler import CommandHandler
from command_service.timestamps import stamp
from orderflow.customers.v1 import commands_pb2 as commands
from orderflow.customers.v1 import customer_pb2
from orderflow.customers.v1 import customer_service_pb2_grpc as grpc_api
from orderflow.customers.v1 import queries_pb2 as queries
from service_kit.grpc_layers import Context


class CustomerServicer(grpc_api.CustomerServiceServicer):
    """Commands change customers; reads fold their events and are never stale."""

    def __init__(self, customers: CommandHandler[Customer]) -> None:
        self._customers = customers

    async def RegisterCustomer(
        self, request: commands.RegisterCustomerRequest, context: Context
    ) -> commands.RegisterCustomerResponse:
        """Registers a customer."""
        return await self._customers.handle(request, commands.RegisterCustomerResponse)

    async def UpdateCustomer(
        self, request: commands.UpdateCustomerRequest, context: Context
    ) -> commands.UpdateCustomerResponse:
        """Changes a customer's name or e-mail address."""
        return await self._customers.handle(request, commands.UpdateCustomerResponse)

    async def EraseCustomer(
        self, request: commands.EraseCustomerRequest, context: Context
    ) -> commands.EraseCustomerResponse:
        """Erases a customer's personal data."""
        return await self._customers.handle(request, commands.EraseCustomerResponse)

    async def GetCustomer(self, request: queries.GetCustomerRequest, context: Context) -> queries.GetCustomerResponse:
        """Reads one customer."""
        customer = await self._customers.state_of(UUID(request.customer_id))
        if not customer.version:
            raise CustomerNotFound(f"there is no customer {request.customer_id.lower()}")
        return queries.GetCustomerResponse(customer=_shown(customer))

    async def BatchGetCustomers(
        self, request: queries.BatchGetCustomersRequest, context: Context
    ) -> queries.BatchGetCustomersResponse:
        """Reads several customers."""
        wanted = list(dict.fromkeys(UUID(each) for each in request.customer_ids))
        found = await self._customers.states_of(wanted)
        return queries.BatchGetCustomersResponse(
            customers=[_shown(found[each]) for each in wanted if each in found],
            missing_customer_ids=[str(each) for each in wanted if each not in found],
        )


def _shown(customer: Customer) -> customer_pb2.Customer:
    return customer_pb2.Customer(
        customer_id=customer.customer_id,
        name=customer.name,
        email=customer.email,
        version=customer.version,
        create_time=stamp(customer.create_time) if customer.create_time else None,
        update_time=stamp(customer.update_time) if customer.update_time else None,
        erase_time=stamp(customer.erase_time) if customer.erase_time else None,
    )
