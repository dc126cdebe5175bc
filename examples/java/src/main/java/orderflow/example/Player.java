package orderflow.example;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Plays the steps of one scenario. */
record Player(Map<String, MethodDescriptor<Message, Message>> methods, Map<String, Channel> channels, JsonObject values) {
  private static final long DEADLINE_MS = 20_000;
  private static final Pattern VARIABLE = Pattern.compile("\\$\\{([^}]+)}");

  /** Takes each message of a call; says whether it wants more. */
  private interface Taker {
    boolean take(JsonElement message) throws Exception;
  }

  void play(JsonObject given) throws Exception {
    JsonObject step = given.deepCopy();
    JsonElement then = step.remove("then"); // replaced when its own turn comes
    step = replaced(step).getAsJsonObject();
    if (step.has("call")) {
      for (int times = number(step, "repeat", 1); times > 0; times--) {
        JsonObject calling = step;
        JsonElement answer = judged(step, () -> collected("call", calling).get(0));
        keep(step, answer);
      }
    } else if (step.has("list")) {
      list(step);
    } else if (step.has("watch")) {
      watch(step, then.getAsJsonArray());
    } else {
      cancel(step);
    }
  }

  private void list(JsonObject step) throws Exception {
    JsonElement messages = judged(step, () -> listed(step));
    if (messages != null && step.has("field")) {
      JsonArray keys = new JsonArray();
      for (JsonElement message : messages.getAsJsonArray()) {
        JsonArray elements = message.getAsJsonObject().getAsJsonArray(step.get("field").getAsString());
        if (elements != null) {
          elements.forEach(each -> keys.add(each.getAsJsonObject().get(step.get("key").getAsString())));
        }
      }
      int different = new HashSet<>(keys.asList()).size();
      if (step.has("keys")) {
        expect(step.get("keys"), keys, "keys");
      } else if (keys.size() != number(step, "count", 0) || different != keys.size()) {
        throw new AssertionException(different + " different among " + keys.size() + ", not " + step.get("count"));
      }
    }
    keep(step, messages);
  }

  private JsonArray listed(JsonObject step) throws Exception {
    JsonArray messages = new JsonArray();
    for (int breaks = 0; ; breaks++) {
      int before = messages.size();
      try {
        stream("list", step, message -> {
          messages.add(message);
          return true;
        });
        if (breaks < number(step, "resume", 0)) {
          throw new AssertionException("broke " + breaks + " times");
        }
        return messages;
      } catch (StatusRuntimeException error) {
        boolean broke = error.getStatus().getCode() == Status.Code.UNAVAILABLE && messages.size() > before;
        if (!step.has("resume") || !broke) {
          throw error;
        }
        JsonElement last = messages.get(messages.size() - 1).getAsJsonObject().get("resume_token");
        step.getAsJsonObject("request").add("resume_token", last);
      }
    }
  }

  private void watch(JsonObject step, JsonArray then) throws Exception {
    JsonElement[] wanted = {step.get("first")};
    stream("watch", step, message -> {
      if (!differences(wanted[0], message, "message").isEmpty()) {
        return true;
      }
      if (wanted[0] == step.get("next")) {
        wanted[0] = null;
        return false;
      }
      for (JsonElement each : then) {
        play(each.getAsJsonObject());
      }
      wanted[0] = step.get("next");
      return true;
    });
    if (wanted[0] != null) {
      throw new AssertionException("the stream ended");
    }
  }

  private void cancel(JsonObject step) throws Exception {
    var timer = Executors.newSingleThreadScheduledExecutor();
    try (var context = Context.current().withCancellation()) {
      timer.schedule(() -> context.cancel(null), number(step, "after_ms", 0), TimeUnit.MILLISECONDS);
      context.call(() -> collected("cancel", step));
      throw new AssertionException("it was not cancelled");
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Status.Code.CANCELLED) {
        throw error;
      }
    } finally {
      timer.shutdownNow();
    }
  }

  private JsonArray collected(String verb, JsonObject step) throws Exception {
    JsonArray all = new JsonArray();
    stream(verb, step, message -> {
      all.add(message);
      return true;
    });
    return all;
  }

  /** Gives each message of a call to a taker until that has enough; then it cancels the call. */
  private void stream(String verb, JsonObject step, Taker taker) throws Exception {
    String name = step.get(verb).getAsString();
    var method = methods.get(name);
    var prototype = ((PrototypeMarshaller<Message>) method.getRequestMarshaller()).getMessagePrototype();
    Message.Builder request = prototype.newBuilderForType();
    JsonFormat.parser().merge(step.has("request") ? step.get("request").toString() : "{}", request);
    CallOptions options =
        CallOptions.DEFAULT.withDeadlineAfter(number(step, "deadline_ms", (int) DEADLINE_MS), TimeUnit.MILLISECONDS);
    Channel channel = channel(name, step);
    try (var context = Context.current().withCancellation()) {
      Iterator<Message> messages =
          method.getType().serverSendsOneMessage()
              ? context.call(() -> List.of(ClientCalls.blockingUnaryCall(channel, method, options, request.build()))).iterator()
              : context.call(() -> ClientCalls.blockingServerStreamingCall(channel, method, options, request.build()));
      while (messages.hasNext()) {
        if (!taker.take(json(messages.next()))) {
          return;
        }
      }
    }
  }

  private Channel channel(String name, JsonObject step) {
    String server = name.contains("QueryService/") ? "query" : "command";
    Metadata headers = new Metadata();
    if (step.has("metadata")) {
      step.getAsJsonObject("metadata")
          .asMap()
          .forEach((key, value) -> headers.put(Connection.key(key), value.getAsString()));
    }
    Channel channel = channels.get(step.has("via") ? step.get("via").getAsString() : server);
    return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private static JsonElement json(Message message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().preservingProtoFieldNames().print(message));
  }

  /** The answer; null where the step was refused as it should be. */
  private static JsonElement judged(JsonObject step, Callable<JsonElement> call) throws Exception {
    JsonObject wanted = step.getAsJsonObject("refused");
    JsonElement answer;
    try {
      answer = call.call();
    } catch (StatusRuntimeException error) {
      if (wanted == null) {
        throw error;
      }
      expect(sortedFields(wanted), sortedFields(told(Refusal.of(error))), "error");
      return null;
    }
    if (wanted != null) {
      throw new AssertionException("it was not refused");
    }
    return answer;
  }

  private static JsonObject told(Refusal refusal) {
    JsonObject told = new JsonObject();
    told.addProperty("code", refusal.code().name());
    told.addProperty("reason", refusal.reason());
    told.addProperty("subject", refusal.subject());
    told.addProperty("retry_after", refusal.retryAfter());
    JsonArray fields = new JsonArray();
    refusal.fields().forEach(fields::add);
    told.add("fields", fields);
    JsonObject metadata = new JsonObject();
    refusal.metadata().forEach(metadata::addProperty);
    told.add("metadata", metadata);
    return told;
  }

  private static JsonObject sortedFields(JsonObject told) {
    JsonObject sorted = told.deepCopy();
    if (told.has("fields")) {
      JsonArray fields = new JsonArray();
      told.getAsJsonArray("fields").asList().stream().map(JsonElement::getAsString).sorted().forEach(fields::add);
      sorted.add("fields", fields);
    }
    return sorted;
  }

  private void keep(JsonObject step, JsonElement answer) {
    if (answer == null) {
      return;
    }
    if (step.has("answer")) {
      expect(step.get("answer"), answer, "answer");
    }
    if (step.has("as")) {
      values.add(step.get("as").getAsString(), answer);
    }
  }

  private JsonElement replaced(JsonElement value) {
    if (value instanceof JsonObject object) {
      JsonObject result = new JsonObject();
      object.asMap().forEach((key, each) -> result.add(key, replaced(each)));
      return result;
    }
    if (value instanceof JsonArray array) {
      JsonArray result = new JsonArray();
      array.forEach(each -> result.add(replaced(each)));
      return result;
    }
    if (!(value instanceof JsonPrimitive primitive) || !primitive.isString()) {
      return value;
    }
    Matcher whole = VARIABLE.matcher(primitive.getAsString());
    if (whole.matches()) {
      return value(whole.group(1));
    }
    return new JsonPrimitive(whole.reset().replaceAll(found -> Matcher.quoteReplacement(value(found.group(1)).getAsString())));
  }

  private JsonElement value(String path) {
    JsonElement value = values;
    for (String part : path.split("\\.")) {
      value = value instanceof JsonArray array ? array.get(Integer.parseInt(part)) : value.getAsJsonObject().get(part);
    }
    return value;
  }

  private static int number(JsonObject step, String key, int otherwise) {
    return step.has(key) ? step.get(key).getAsInt() : otherwise;
  }

  private static void expect(JsonElement expected, JsonElement found, String path) {
    String wrong = differences(expected, found, path);
    if (!wrong.isEmpty()) {
      throw new AssertionException(wrong);
    }
  }

  /** What does not hold; empty where all does. */
  private static String differences(JsonElement expected, JsonElement found, String path) {
    if (expected instanceof JsonObject wanted && found instanceof JsonObject object) {
      return wanted.entrySet().stream()
          .map(each -> differences(each.getValue(), object.get(each.getKey()), path + "." + each.getKey()))
          .filter(wrong -> !wrong.isEmpty())
          .findFirst()
          .orElse("");
    }
    if (expected instanceof JsonArray wanted && found instanceof JsonArray array && wanted.size() == array.size()) {
      for (int at = 0; at < wanted.size(); at++) {
        String wrong = differences(wanted.get(at), array.get(at), path + "." + at);
        if (!wrong.isEmpty()) {
          return wrong;
        }
      }
      return "";
    }
    boolean absent = found == null || found.isJsonNull();
    boolean any = expected.equals(new JsonPrimitive("*"));
    boolean holds = expected.isJsonNull() ? absent : !absent && (any || expected.equals(found));
    return holds ? "" : path + ": " + found + ", not " + expected;
  }

  /** A step did not go as the scenario says. */
  static final class AssertionException extends RuntimeException {
    AssertionException(String message) {
      super(message);
    }
  }
}
