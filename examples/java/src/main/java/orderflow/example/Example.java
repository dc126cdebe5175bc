package orderflow.example;

import com.google.type.Money;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.Iterator;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import orderflow.common.v1.Address;
import orderflow.orders.v1.CreateOrderRequest;
import orderflow.orders.v1.CreateOrderResponse;
import orderflow.orders.v1.DeliverOrderRequest;
import orderflow.orders.v1.GetOrderHistoryRequest;
import orderflow.orders.v1.GetOrderRequest;
import orderflow.orders.v1.GetOrderResponse;
import orderflow.orders.v1.ListOrdersRequest;
import orderflow.orders.v1.ListOrdersResponse;
import orderflow.orders.v1.OrderCommandServiceGrpc;
import orderflow.orders.v1.OrderCommandServiceGrpc.OrderCommandServiceBlockingStub;
import orderflow.orders.v1.OrderFilter;
import orderflow.orders.v1.OrderItem;
import orderflow.orders.v1.OrderQueryServiceGrpc;
import orderflow.orders.v1.OrderQueryServiceGrpc.OrderQueryServiceBlockingStub;
import orderflow.orders.v1.OrderView;

/** An order in Java: created once whatever breaks, seen at once, listed, refused, in one trace. */
public final class Example {
  public static void main(String[] arguments) throws Exception {
    // Put an exporter here to see the spans. Without a processor they would have no ids.
    SpanProcessor spans = SimpleSpanProcessor.create(SpanExporter.composite());
    SdkTracerProvider tracing = SdkTracerProvider.builder().addSpanProcessor(spans).build();
    OpenTelemetrySdk telemetry = OpenTelemetrySdk.builder().setTracerProvider(tracing).build();
    ManagedChannel command = Connection.connect("ORDERFLOW_COMMAND_ADDRESS", "127.0.0.1:50051");
    ManagedChannel query = Connection.connect("ORDERFLOW_QUERY_ADDRESS", "127.0.0.1:50052");
    OrderCommandServiceBlockingStub commands = OrderCommandServiceGrpc.newBlockingStub(command);
    OrderQueryServiceBlockingStub queries = OrderQueryServiceGrpc.newBlockingStub(query);
    String customer = UUID.randomUUID().toString();
    CreateOrderRequest order =
        CreateOrderRequest.newBuilder()
            .setRequestId(UUID.randomUUID().toString()) // a retry, or a repeat of yours, has one effect and one answer
            .setCustomerId(customer)
            .addItems(
                OrderItem.newBuilder()
                    .setSku("TEA-1")
                    .setProductName("Green tea")
                    .setQuantity(3)
                    .setUnitPrice(Money.newBuilder().setCurrencyCode("EUR").setUnits(4).setNanos(500_000_000)))
            .setShippingAddress(
                Address.newBuilder()
                    .setRecipient("Zoë")
                    .addAddressLines("Street 1")
                    .setLocality("Berlin")
                    .setRegionCode("DE"))
            .build();

    // The server continues the span's trace. The service config gives calls a deadline; this one is shorter.
    CreateOrderResponse created;
    Span span = telemetry.getTracer("example").spanBuilder("order tea").startSpan();
    try (Scope scope = span.makeCurrent()) {
      created = commands.withDeadlineAfter(10, TimeUnit.SECONDS).createOrder(order);
    }
    span.end();
    System.out.println("created " + created.getOrderId());

    // With the answer's token the query waits until it sees the command.
    GetOrderRequest get =
        GetOrderRequest.newBuilder()
            .setOrderId(created.getOrderId())
            .addConsistencyTokens(created.getConsistencyToken())
            .build();
    GetOrderResponse seen = queries.getOrder(get);
    System.out.println("seen at version " + seen.getOrder().getVersion());

    ListOrdersRequest.Builder mine =
        ListOrdersRequest.newBuilder()
            .setFilter(OrderFilter.newBuilder().setCustomerId(customer))
            .addConsistencyTokens(created.getConsistencyToken());
    listAll(queries, mine, each -> System.out.println("listed " + each.getOrderId()));

    DeliverOrderRequest deliver = DeliverOrderRequest.newBuilder().setOrderId(created.getOrderId()).build();
    explain(() -> commands.deliverOrder(deliver));
    CreateOrderRequest wrong = order.toBuilder().setCustomerId("nobody").build();
    explain(() -> commands.createOrder(wrong));

    GetOrderHistoryRequest history = GetOrderHistoryRequest.newBuilder().setOrderId(created.getOrderId()).build();
    String trace = queries.getOrderHistory(history).next().getEvents(0).getTraceId();
    if (!trace.equals(span.getSpanContext().getTraceId())) {
      throw new AssertionError("the event is in trace " + trace);
    }
    System.out.println("in trace " + trace);
    command.shutdownNow();
    query.shutdownNow();
  }

  /** Calls again with the last resume token where the stream breaks: no order is missing and none comes twice. */
  private static void listAll(
      OrderQueryServiceBlockingStub queries, ListOrdersRequest.Builder request, Consumer<OrderView> show)
      throws InterruptedException {
    for (int breaks = 0; ; breaks++) {
      try {
        Iterator<ListOrdersResponse> chunks = queries.listOrders(request.build());
        while (chunks.hasNext()) {
          ListOrdersResponse chunk = chunks.next();
          request.setResumeToken(chunk.getResumeToken());
          breaks = 0;
          chunk.getOrdersList().forEach(show);
        }
        return;
      } catch (StatusRuntimeException error) {
        if (error.getStatus().getCode() != Status.Code.UNAVAILABLE || breaks > 5) {
          throw error;
        }
        Thread.sleep(100L << breaks);
      }
    }
  }

  private static void explain(Runnable call) throws Exception {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      Refusal refusal = Refusal.of(error); // ErrorInfo, BadRequest, PreconditionFailure
      System.out.println(refusal.reason() + " " + refusal.subject() + refusal.fields() + refusal.metadata());
    }
  }
}
