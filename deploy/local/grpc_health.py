"""Exits with 0 when the gRPC server at the address that is given says SERVING within two seconds."""

import sys

import grpc
from grpc_health.v1 import health_pb2


def main() -> int:
    """Asks once."""
    with grpc.insecure_channel(sys.argv[1]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError as error:
            print(error, file=sys.stderr)
            return 1
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main())
