"""What all tests need before anything else is imported."""

import os

# Tests start servers as other users, for which Python must fork; gRPC's handlers of that crash the child at times.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
