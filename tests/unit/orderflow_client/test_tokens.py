from orderflow.customers.v1.commands_pb2 import RegisterCustomerResponse
from orderflow.customers.v1.queries_pb2 import GetCustomerResponse
from orderflow.orders.v1.commands_pb2 import AddItemResponse, CreateOrderRequest
from orderflow.orders.v1.queries_pb2 import GetOrderRequest, ListOrdersRequest
from orderflow_client.tokens import MOST_TOKENS, Tokens

ORDER = "0d9f3b52-7c1e-4e0b-9a53-6f2f7f1d9c11"


def test_a_query_of_an_order_passes_the_newest_token_of_that_order_alone() -> None:
    tokens = Tokens()
    tokens.remember(AddItemResponse(order_id="another", consistency_token="another"))
    tokens.remember(AddItemResponse(order_id=ORDER, consistency_token="old"))
    tokens.remember(AddItemResponse(order_id=ORDER, consistency_token="new"))
    assert tokens.wanted_by(GetOrderRequest(order_id=ORDER.upper())) == ["new"]
    assert tokens.wanted_by(GetOrderRequest(order_id="unknown")) == []


def test_a_list_passes_all_tokens() -> None:
    tokens = Tokens()
    tokens.remember(RegisterCustomerResponse(customer_id="c", consistency_token="1"))
    tokens.remember(AddItemResponse(order_id=ORDER, consistency_token="2"))
    assert tokens.wanted_by(ListOrdersRequest()) == ["1", "2"]


def test_no_more_tokens_are_kept_than_a_query_takes_and_the_oldest_go_first() -> None:
    tokens = Tokens()
    for number in range(MOST_TOKENS):
        tokens.remember(AddItemResponse(order_id=str(number), consistency_token=str(number)))
    tokens.remember(AddItemResponse(order_id="0", consistency_token="again"))
    tokens.remember(AddItemResponse(order_id="last", consistency_token="last"))
    kept = tokens.wanted_by(ListOrdersRequest())
    assert len(kept) == MOST_TOKENS
    assert kept[0] == "2"
    assert kept[-2:] == ["again", "last"]


def test_a_query_with_its_own_tokens_a_continuation_and_a_view_of_the_past_pass_none() -> None:
    tokens = Tokens()
    tokens.remember(AddItemResponse(order_id=ORDER, consistency_token="token"))
    assert tokens.wanted_by(GetOrderRequest(order_id=ORDER, consistency_tokens=["mine"])) == []
    assert tokens.wanted_by(ListOrdersRequest(resume_token="goes on")) == []
    assert tokens.wanted_by(GetOrderRequest(order_id=ORDER, at_version=1)) == []


def test_what_has_no_token_or_takes_none_is_left_alone() -> None:
    tokens = Tokens()
    tokens.remember(GetCustomerResponse())
    tokens.remember(AddItemResponse(order_id=ORDER))
    assert tokens.wanted_by(ListOrdersRequest()) == []
    assert tokens.wanted_by(CreateOrderRequest()) == []
