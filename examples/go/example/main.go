// An order in Go: created once whatever breaks, seen at once, listed, refused, in one trace.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	commonv1 "orderflow.example/go/gen/orderflow/common/v1"
	ordersv1 "orderflow.example/go/gen/orderflow/orders/v1"
)

func main() {
	otel.SetTracerProvider(sdktrace.NewTracerProvider()) // add an exporter to see the spans
	otel.SetTextMapPropagator(propagation.TraceContext{})
	orders := ordersv1.NewOrderCommandServiceClient(connect("ORDERFLOW_COMMAND_ADDRESS", "127.0.0.1:50051"))
	queries := ordersv1.NewOrderQueryServiceClient(connect("ORDERFLOW_QUERY_ADDRESS", "127.0.0.1:50052"))

	customer := uuid.NewString()
	// The service config gives calls a deadline; this one is shorter. The server continues the span's trace.
	ctx, span := otel.Tracer("example").Start(context.Background(), "order tea")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	created := must(orders.CreateOrder(ctx, &ordersv1.CreateOrderRequest{
		RequestId:  uuid.NewString(), // a retry, or a repeat of yours, has one effect and gets the same answer
		CustomerId: customer,
		Items: []*ordersv1.OrderItem{{
			Sku: "TEA-1", ProductName: "Green tea", Quantity: 3,
			UnitPrice: &money.Money{CurrencyCode: "EUR", Units: 4, Nanos: 500_000_000},
		}},
		ShippingAddress: &commonv1.Address{
			Recipient: "Zoë", AddressLines: []string{"Street 1"}, Locality: "Berlin", RegionCode: "DE",
		},
	}))
	span.End()
	fmt.Println("created", created.OrderId)

	// With the answer's token the query waits until it sees the command.
	tokens := []string{created.ConsistencyToken}
	seen := must(queries.GetOrder(ctx, &ordersv1.GetOrderRequest{OrderId: created.OrderId, ConsistencyTokens: tokens}))
	fmt.Println("seen at version", seen.Order.Version)

	mine := &ordersv1.ListOrdersRequest{Filter: &ordersv1.OrderFilter{CustomerId: customer}, ConsistencyTokens: tokens}
	if err := listAll(queries, mine, func(order *ordersv1.OrderView) { fmt.Println("listed", order.OrderId) }); err != nil {
		log.Fatal(err)
	}

	_, err := orders.DeliverOrder(ctx, &ordersv1.DeliverOrderRequest{OrderId: created.OrderId, RequestId: uuid.NewString()})
	explain(err)
	_, err = orders.CreateOrder(ctx, &ordersv1.CreateOrderRequest{CustomerId: "nobody"})
	explain(err)

	history := must(queries.GetOrderHistory(ctx, &ordersv1.GetOrderHistoryRequest{OrderId: created.OrderId}))
	if trace := must(history.Recv()).Events[0].TraceId; trace != span.SpanContext().TraceID().String() {
		log.Fatalf("the event is in trace %s", trace)
	}
	fmt.Println("in trace", span.SpanContext().TraceID())
}

// listAll calls again with the last resume token where the stream breaks: no order is missing and none comes twice.
func listAll(client ordersv1.OrderQueryServiceClient, request *ordersv1.ListOrdersRequest, show func(*ordersv1.OrderView)) error {
	for breaks := 0; ; breaks++ {
		stream, err := client.ListOrders(context.Background(), request)
		for err == nil {
			var chunk *ordersv1.ListOrdersResponse
			if chunk, err = stream.Recv(); err == nil {
				for _, order := range chunk.Orders {
					show(order)
				}
				request.ResumeToken, breaks = chunk.ResumeToken, 0
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if status.Code(err) != codes.Unavailable || breaks > 5 {
			return err
		}
		time.Sleep(100 * time.Millisecond << breaks)
	}
}

// explain tells what a refusal says to programs: decide by the reason, not by the message.
func explain(err error) {
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println(detail.Reason, detail.Metadata["allowed_commands"])
		case *errdetails.BadRequest:
			for _, each := range detail.FieldViolations {
				fmt.Println("  field", each.Field, each.Description)
			}
		case *errdetails.PreconditionFailure:
			fmt.Println(" ", detail.Violations[0].Subject)
		}
	}
}

// connect opens a channel with the shipped service config: retries of UNAVAILABLE, and deadlines.
func connect(variable, address string) *grpc.ClientConn {
	if given := os.Getenv(variable); given != "" {
		address = given
	}
	file := os.Getenv("ORDERFLOW_SERVICE_CONFIG")
	if file == "" {
		file = "../../protos/orderflow/service_config.json"
	}
	return must(grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(must(os.ReadFile(file)))),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler())))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
