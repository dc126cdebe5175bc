"""`python -m service_kit.health_probe [HOST:PORT]`: exits with 0 when the gRPC server there says SERVING."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2

_METHOD = "/grpc.health.v1.Health/Check"
_SECONDS = 3


def main(arguments: list[str]) -> int:
    """Asks once; without an argument, the server of this container, by its GRPC_LISTEN_ADDRESS."""
    address = arguments[0] if arguments else f"127.0.0.1:{os.environ['GRPC_LISTEN_ADDRESS'].rpartition(':')[2]}"
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(
            _METHOD,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            sys.stderr.write(f"{address}: {error.code().name}\n")
            return 1
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
