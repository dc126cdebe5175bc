package orderflow.example;

import com.google.gson.Gson;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** A channel with the shipped service config (retries of UNAVAILABLE, and deadlines) and the current trace. */
final class Connection {
  private static final String CONFIG = "../../protos/orderflow/service_config.json";

  static ManagedChannel connect(String variable, String address) throws IOException {
    String file = System.getenv().getOrDefault("ORDERFLOW_SERVICE_CONFIG", CONFIG);
    @SuppressWarnings("unchecked")
    Map<String, ?> config = new Gson().fromJson(Files.readString(Path.of(file)), Map.class);
    return Grpc.newChannelBuilder(System.getenv().getOrDefault(variable, address), InsecureChannelCredentials.create())
        .defaultServiceConfig(config)
        .intercept(new TraceContext())
        .build();
  }

  /** Passes the current span's context as `traceparent`. */
  private static final class TraceContext implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          W3CTraceContextPropagator.getInstance()
              .inject(Context.current(), headers, (into, key, value) -> into.put(key(key), value));
          super.start(listener, headers);
        }
      };
    }
  }

  static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  private Connection() {}
}
