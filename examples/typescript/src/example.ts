// An order in TypeScript: created once whatever breaks, seen at once, listed, refused, in one trace.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { context, propagation, trace } from "@opentelemetry/api";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { RpcError } from "@protobuf-ts/runtime-rpc";
import { OrderCommandServiceClient } from "../gen/orderflow/orders/v1/command_service.client";
import { OrderQueryServiceClient } from "../gen/orderflow/orders/v1/query_service.client";
import { CreateOrderRequest } from "../gen/orderflow/orders/v1/commands";
import { ListOrdersRequest } from "../gen/orderflow/orders/v1/queries";
import type { OrderView } from "../gen/orderflow/orders/v1/views";
import { connect } from "./connection";
import { refusalOf } from "./refusal";

new NodeTracerProvider().register(); // add an exporter to see the spans
const command = connect("ORDERFLOW_COMMAND_ADDRESS", "127.0.0.1:50051");
const query = connect("ORDERFLOW_QUERY_ADDRESS", "127.0.0.1:50052");
const orders = new OrderCommandServiceClient(command);
const queries = new OrderQueryServiceClient(query);
const customerId = randomUUID();

// The server continues the span's trace. The service config gives calls a deadline; this one is shorter.
const { created, traceId } = await trace.getTracer("example").startActiveSpan("order tea", async (span) => {
  const meta: Record<string, string> = {};
  propagation.inject(context.active(), meta);
  const { response } = await orders.createOrder(
    CreateOrderRequest.create({
      requestId: randomUUID(), // a retry, or a repeat of yours, has one effect and gets the same answer
      customerId,
      items: [
        {
          sku: "TEA-1",
          productName: "Green tea",
          quantity: 3,
          unitPrice: { currencyCode: "EUR", units: "4", nanos: 500_000_000 },
        },
      ],
      shippingAddress: {
        recipient: "Zoë",
        addressLines: ["Street 1"],
        locality: "Berlin",
        regionCode: "DE",
      },
    }),
    { meta, timeout: 10_000 },
  );
  span.end();
  return { created: response, traceId: span.spanContext().traceId };
});
console.log("created", created.orderId);

// With the answer's token the query waits until it sees the command.
const consistencyTokens = [created.consistencyToken];
const { response: seen } = await queries.getOrder({ orderId: created.orderId, consistencyTokens });
console.log("seen at version", seen.order?.version);

const mine = ListOrdersRequest.create({ filter: { customerId }, consistencyTokens });
for await (const order of listed(mine)) {
  console.log("listed", order.orderId);
}

await explained(orders.deliverOrder({ orderId: created.orderId, requestId: randomUUID(), validateOnly: false }).response);
await explained(orders.addItem({ orderId: "nobody", requestId: "", validateOnly: false }).response);

for await (const { events } of queries.getOrderHistory({ orderId: created.orderId, afterVersion: "0" }).responses) {
  if (events[0]?.traceId !== traceId) throw new Error(`the event is in trace ${events[0]?.traceId}`);
}
console.log("in trace", traceId);
command.close();
query.close();

// Calls again with the last resume token where the stream breaks: no order is missing and none comes twice.
async function* listed(request: ListOrdersRequest): AsyncGenerator<OrderView> {
  for (let breaks = 0; ; breaks++) {
    try {
      for await (const chunk of queries.listOrders(request).responses) {
        request.resumeToken = chunk.resumeToken;
        breaks = 0;
        yield* chunk.orders;
      }
      return;
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== "UNAVAILABLE" || breaks > 5) throw error;
      await pause(100 * 2 ** breaks);
    }
  }
}

async function explained(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const refusal = refusalOf(error); // ErrorInfo, BadRequest, PreconditionFailure
    console.log(refusal.reason, refusal.subject ?? refusal.fields, refusal.metadata.allowed_commands ?? "");
  }
}
