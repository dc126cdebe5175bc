package orderflow.example;

import com.google.protobuf.Descriptors.ServiceDescriptor;
import com.google.type.Money;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
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
import orderflow.orders.v1.CommandService;
import orderflow.orders.v1.CreateOrderRequest;
import orderflow.orders.v1.CreateOrderResponse;
import orderflow.orders.v1.DeliverOrderRequest;
import orderflow.orders.v1.DeliverOrderResponse;
import orderflow.orders.v1.GetOrderHistoryRequest;
import orderflow.orders.v1.GetOrderHistoryResponse;
import orderflow.orders.v1.GetOrderRequest;
import orderflow.orders.v1.GetOrderResponse;
import orderflow.orders.v1.ListOrdersRequest;
import orderflow.orders.v1.ListOrdersResponse;
import orderflow.orders.v1.OrderFilter;
import orderflow.orders.v1.OrderItem;
import orderflow.orders.v1.OrderView;
import orderflow.orders.v1.QueryService;

/** An order in Java: created once whatever breaks, seen at once, listed, refused, in one trace. */
public final class Example {
  private static final ServiceDescriptor COMMANDS = CommandService.getDescriptor().findServiceByName("OrderCommandService");
  private static final ServiceDescriptor QUERIES = QueryService.getDescriptor().findServiceByName("OrderQueryService");
  private static final MethodDescriptor<CreateOrderRequest, CreateOrderResponse> CREATE_ORDER =
      Methods.of(COMMANDS, "CreateOrder", CreateOrderRequest.getDefaultInstance(), CreateOrderResponse.getDefaultInstance());
  private static final MethodDescriptor<DeliverOrderRequest, DeliverOrderResponse> DELIVER_ORDER =
      Methods.of(COMMANDS, "DeliverOrder", DeliverOrderRequest.getDefaultInstance(), DeliverOrderResponse.getDefaultInstance());
  private static final MethodDescriptor<GetOrderRequest, GetOrderResponse> GET_ORDER =
      Methods.of(QUERIES, "GetOrder", GetOrderRequest.getDefaultInstance(), GetOrderResponse.getDefaultInstance());
  private static final MethodDescriptor<ListOrdersRequest, ListOrdersResponse> LIST_ORDERS =
      Methods.of(QUERIES, "ListOrders", ListOrdersRequest.getDefaultInstance(), ListOrdersResponse.getDefaultInstance());
  private static final MethodDescriptor<GetOrderHistoryRequest, GetOrderHistoryResponse> GET_ORDER_HISTORY =
      Methods.of(
          QUERIES, "GetOrderHistory", GetOrderHistoryRequest.getDefaultInstance(), GetOrderHistoryResponse.getDefaultInstance());

  public static void main(String[] arguments) throws Exception {
    // Put an exporter here to see the spans. Without a processor they would have no ids.
    SpanProcessor spans = SimpleSpanProcessor.create(SpanExporter.composite());
    SdkTracerProvider tracing = SdkTracerProvider.builder().addSpanProcessor(spans).build();
    OpenTelemetrySdk telemetry = OpenTelemetrySdk.builder().setTracerProvider(tracing).build();
    ManagedChannel command = Connection.connect("ORDERFLOW_COMMAND_ADDRESS", "127.0.0.1:50051");
    ManagedChannel query = Connection.connect("ORDERFLOW_QUERY_ADDRESS", "127.0.0.1:50052");
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
      CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(10, TimeUnit.SECONDS);
      created = ClientCalls.blockingUnaryCall(command, CREATE_ORDER, options, order);
    }
    span.end();
    System.out.println("created " + created.getOrderId());

    // With the answer's token the query waits until it sees the command.
    GetOrderRequest get =
        GetOrderRequest.newBuilder()
            .setOrderId(created.getOrderId())
            .addConsistencyTokens(created.getConsistencyToken())
            .build();
    GetOrderResponse seen = ClientCalls.blockingUnaryCall(query, GET_ORDER, CallOptions.DEFAULT, get);
    System.out.println("seen at version " + seen.getOrder().getVersion());

    ListOrdersRequest.Builder mine =
        ListOrdersRequest.newBuilder()
            .setFilter(OrderFilter.newBuilder().setCustomerId(customer))
            .addConsistencyTokens(created.getConsistencyToken());
    listAll(query, mine, each -> System.out.println("listed " + each.getOrderId()));

    DeliverOrderRequest deliver = DeliverOrderRequest.newBuilder().setOrderId(created.getOrderId()).build();
    explain(() -> ClientCalls.blockingUnaryCall(command, DELIVER_ORDER, CallOptions.DEFAULT, deliver));
    CreateOrderRequest wrong = order.toBuilder().setCustomerId("nobody").build();
    explain(() -> ClientCalls.blockingUnaryCall(command, CREATE_ORDER, CallOptions.DEFAULT, wrong));

    GetOrderHistoryRequest history = GetOrderHistoryRequest.newBuilder().setOrderId(created.getOrderId()).build();
    String trace =
        ClientCalls.blockingServerStreamingCall(query, GET_ORDER_HISTORY, CallOptions.DEFAULT, history)
            .next()
            .getEvents(0)
            .getTraceId();
    if (!trace.equals(span.getSpanContext().getTraceId())) {
      throw new AssertionError("the event is in trace " + trace);
    }
    System.out.println("in trace " + trace);
    command.shutdownNow();
    query.shutdownNow();
  }

  /** Calls again with the last resume token where the stream breaks: no order is missing and none comes twice. */
  private static void listAll(ManagedChannel query, ListOrdersRequest.Builder request, Consumer<OrderView> show)
      throws InterruptedException {
    for (int breaks = 0; ; breaks++) {
      try {
        Iterator<ListOrdersResponse> chunks =
            ClientCalls.blockingServerStreamingCall(query, LIST_ORDERS, CallOptions.DEFAULT, request.build());
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
