package orderflow.example;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import orderflow.customers.v1.CustomerServiceGrpc;
import orderflow.fulfillment.v1.FulfillmentQueryServiceGrpc;
import orderflow.inventory.v1.InventoryCommandServiceGrpc;
import orderflow.inventory.v1.InventoryQueryServiceGrpc;
import orderflow.orders.v1.OrderCommandServiceGrpc;
import orderflow.orders.v1.OrderQueryServiceGrpc;

/** Plays conformance/scenarios.json through the generated Java; conformance/README.md says what each word means. */
public final class Conformance {
  public static void main(String[] arguments) throws Exception {
    Map<String, ManagedChannel> channels =
        Map.of(
            "command", Connection.connect("ORDERFLOW_COMMAND_ADDRESS", ""),
            "query", Connection.connect("ORDERFLOW_QUERY_ADDRESS", ""),
            "faulty", Connection.connect("ORDERFLOW_FAULTY_ADDRESS", ""));
    JsonObject given = JsonParser.parseString(System.getenv("CONFORMANCE_VARIABLES")).getAsJsonObject();
    JsonObject file = JsonParser.parseString(Files.readString(Path.of(arguments[0]))).getAsJsonObject();
    for (JsonElement scenario : file.getAsJsonArray("scenarios")) {
      System.out.println(played(scenario.getAsJsonObject(), given.deepCopy(), Map.copyOf(channels)));
    }
    channels.values().forEach(ManagedChannel::shutdownNow);
  }

  private static JsonObject played(JsonObject scenario, JsonObject values, Map<String, Channel> channels) {
    scenario.getAsJsonArray("uuids").forEach(name -> values.addProperty(name.getAsString(), UUID.randomUUID().toString()));
    Player player = new Player(methods(), channels, values);
    JsonObject verdict = new JsonObject();
    verdict.add("scenario", scenario.get("name"));
    List<JsonElement> steps = scenario.getAsJsonArray("steps").asList();
    for (int number = 0; number < steps.size(); number++) {
      try {
        player.play(steps.get(number).getAsJsonObject());
      } catch (Exception error) {
        verdict.addProperty("ok", false);
        verdict.addProperty("step", number);
        verdict.addProperty("why", error.toString());
        return verdict;
      }
    }
    verdict.addProperty("ok", true);
    return verdict;
  }

  /** Those of the generated services, whose marshallers know their messages. */
  @SuppressWarnings("unchecked")
  private static Map<String, MethodDescriptor<Message, Message>> methods() {
    Map<String, MethodDescriptor<Message, Message>> methods = new HashMap<>();
    for (ServiceDescriptor service :
        List.of(
            CustomerServiceGrpc.getServiceDescriptor(),
            FulfillmentQueryServiceGrpc.getServiceDescriptor(),
            InventoryCommandServiceGrpc.getServiceDescriptor(),
            InventoryQueryServiceGrpc.getServiceDescriptor(),
            OrderCommandServiceGrpc.getServiceDescriptor(),
            OrderQueryServiceGrpc.getServiceDescriptor())) {
      for (MethodDescriptor<?, ?> method : service.getMethods()) {
        methods.put(method.getFullMethodName(), (MethodDescriptor<Message, Message>) method);
      }
    }
    return methods;
  }

  private Conformance() {}
}
