"""The page of calls by hand forgets none."""

from tests.support.contracts import services
from tests.support.grpcurl_page import PAGE, WRITE


def test_the_page_has_a_line_for_every_rpc() -> None:
    text = PAGE.read_text()
    rpcs = [f"{service.full_name}/{method.name}" for service in services() for method in service.methods]
    assert not [each for each in rpcs if f" {each}\n" not in text], f"write the page: {WRITE}"
