// A connection with the shipped service config: retries of UNAVAILABLE, and deadlines.
import { readFileSync } from "node:fs";
import { credentials } from "@grpc/grpc-js";
import { GrpcTransport } from "@protobuf-ts/grpc-transport";

const config = process.env.ORDERFLOW_SERVICE_CONFIG ?? "../../protos/orderflow/service_config.json";

export function connect(variable: string, address: string): GrpcTransport {
  return new GrpcTransport({
    host: process.env[variable] ?? address,
    channelCredentials: credentials.createInsecure(),
    clientOptions: { "grpc.service_config": readFileSync(config, "utf8") },
  });
}
