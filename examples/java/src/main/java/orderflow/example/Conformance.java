package orderflow.example;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import orderflow.customers.v1.CustomerServiceOuterClass;
import orderflow.inventory.v1.InventoryCommandServiceOuterClass;
import orderflow.inventory.v1.InventoryQueryServiceOuterClass;
import orderflow.orders.v1.CommandService;
import orderflow.orders.v1.QueryService;

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

  private static Map<String, MethodDescriptor<DynamicMessage, DynamicMessage>> methods() {
    Map<String, MethodDescriptor<DynamicMessage, DynamicMessage>> methods = new HashMap<>();
    for (FileDescriptor file :
        List.of(
            CommandService.getDescriptor(),
            CustomerServiceOuterClass.getDescriptor(),
            InventoryCommandServiceOuterClass.getDescriptor(),
            InventoryQueryServiceOuterClass.getDescriptor(),
            QueryService.getDescriptor(),
            orderflow.fulfillment.v1.QueryService.getDescriptor())) {
      for (var service : file.getServices()) {
        for (var each : service.getMethods()) {
          DynamicMessage request = DynamicMessage.getDefaultInstance(each.getInputType());
          DynamicMessage answer = DynamicMessage.getDefaultInstance(each.getOutputType());
          var method = Methods.of(service, each.getName(), request, answer);
          methods.put(method.getFullMethodName(), method);
        }
      }
    }
    return methods;
  }

  private Conformance() {}
}
