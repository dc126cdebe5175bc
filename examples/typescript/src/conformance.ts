// Plays conformance/scenarios.json through the generated TypeScript; conformance/README.md says what each word means.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { GrpcTransport } from "@protobuf-ts/grpc-transport";
import type { JsonValue } from "@protobuf-ts/runtime";
import { type MethodInfo, RpcError } from "@protobuf-ts/runtime-rpc";
import { CustomerService } from "../gen/orderflow/customers/v1/customer_service";
import { FulfillmentQueryService } from "../gen/orderflow/fulfillment/v1/query_service";
import { InventoryCommandService } from "../gen/orderflow/inventory/v1/inventory_command_service";
import { InventoryQueryService } from "../gen/orderflow/inventory/v1/inventory_query_service";
import { OrderCommandService } from "../gen/orderflow/orders/v1/command_service";
import { OrderQueryService } from "../gen/orderflow/orders/v1/query_service";
import { connect } from "./connection";
import { refusalOf } from "./refusal";

type Json = any; // what a scenario holds has no type of its own
const DEADLINE_MS = 20_000;

const methods = new Map<string, MethodInfo<any, any>>(
  [CustomerService, FulfillmentQueryService, InventoryCommandService, InventoryQueryService, OrderCommandService, OrderQueryService].flatMap((service) =>
    service.methods.map((method) => [`${service.typeName}/${method.name}`, method]),
  ),
);
const transports: Record<string, GrpcTransport> = {
  command: connect("ORDERFLOW_COMMAND_ADDRESS", ""),
  query: connect("ORDERFLOW_QUERY_ADDRESS", ""),
  faulty: connect("ORDERFLOW_FAULTY_ADDRESS", ""),
};

class Player {
  constructor(private readonly values: Record<string, Json>) {}

  async play({ then, ...given }: Json): Promise<void> {
    const step = this.replaced(given); // `then` is replaced when its own turn comes
    if (step.call) for (let times = step.repeat ?? 1; times > 0; times--) await this.call(step);
    else if (step.list) await this.list(step);
    else if (step.watch) await this.watch(step, then);
    else await this.cancel(step);
  }

  private async call(step: Json): Promise<void> {
    await this.judged(step, async () => this.keep(step, (await collected(this.messages(step.call, step)))[0]));
  }

  private async list(step: Json): Promise<void> {
    await this.judged(step, async () => {
      const messages = await this.listed(step);
      if (step.field) {
        const keys = messages.flatMap((message) => message[step.field] ?? []).map((each: Json) => each[step.key]);
        if (step.keys) expect(step.keys, keys, step.key);
        else if (keys.length !== step.count || new Set(keys).size !== step.count)
          throw new Error(`${new Set(keys).size} different among ${keys.length}, not ${step.count}`);
      }
      this.keep(step, messages);
    });
  }

  private async listed(step: Json): Promise<Json[]> {
    const messages: Json[] = [];
    for (let breaks = 0; ; breaks++) {
      const before = messages.length;
      try {
        for await (const message of this.messages(step.list, step)) messages.push(message);
        if (breaks < (step.resume ?? 0)) throw new Error(`broke ${breaks} times`);
        return messages;
      } catch (error) {
        const broke = error instanceof RpcError && error.code === "UNAVAILABLE" && messages.length > before;
        if (!step.resume || !broke) throw error;
        step.request.resume_token = messages[messages.length - 1].resume_token;
      }
    }
  }

  private async watch(step: Json, then: Json[]): Promise<void> {
    let wanted = step.first;
    for await (const message of this.messages(step.watch, step)) {
      if (differences(wanted, message, "message")) continue;
      if (wanted === step.next) return; // which cancels the call
      for (const each of then) await this.play(each);
      wanted = step.next;
    }
    throw new Error("the stream ended");
  }

  private async cancel(step: Json): Promise<void> {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), step.after_ms);
    try {
      await collected(this.messages(step.cancel, step, abort));
    } catch (error) {
      if (error instanceof RpcError && error.code === "CANCELLED") return;
      throw error;
    }
    throw new Error("it was not cancelled");
  }

  private async *messages(name: string, step: Json, abort = new AbortController()): AsyncGenerator<Json> {
    const method = methods.get(name);
    const transport = transports[step.via ?? (name.includes("QueryService/") ? "query" : "command")];
    if (!method || !transport) throw new Error(`no ${name}`);
    const request = method.I.fromJson((step.request ?? {}) as JsonValue);
    const options = transport.mergeOptions({
      meta: { ...step.metadata },
      timeout: step.deadline_ms ?? DEADLINE_MS,
      abort: abort.signal,
    });
    const json = (message: any) => method.O.toJson(message, { useProtoFieldName: true });
    try {
      if (method.serverStreaming) {
        for await (const each of transport.serverStreaming(method, request, options).responses) yield json(each);
      } else yield json(await transport.unary(method, request, options).response);
    } finally {
      abort.abort();
    }
  }

  private async judged(step: Json, play: () => Promise<void>): Promise<void> {
    try {
      await play();
    } catch (error) {
      if (!step.refused || !(error instanceof RpcError)) throw error;
      const { retryAfter, fields, ...told } = refusalOf(error);
      const wanted = { ...step.refused, ...(step.refused.fields && { fields: [...step.refused.fields].sort() }) };
      expect(wanted, { ...told, fields: fields.sort(), retry_after: retryAfter }, "error");
      return;
    }
    if (step.refused) throw new Error("it was not refused");
  }

  private keep(step: Json, answer: Json): void {
    if ("answer" in step) expect(step.answer, answer, "answer");
    if (step.as) this.values[step.as] = answer;
  }

  private replaced(value: Json): Json {
    if (Array.isArray(value)) return value.map((each) => this.replaced(each));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.replaced(each)]));
    if (typeof value !== "string") return value;
    const whole = /^\$\{([^}]+)\}$/.exec(value);
    return whole ? this.value(whole[1]!) : value.replace(/\$\{([^}]+)\}/g, (_, name: string) => String(this.value(name)));
  }

  private value(path: string): Json {
    return path.split(".").reduce((value: Json, part) => value[part], this.values);
  }
}

function expect(expected: Json, found: Json, path: string): void {
  const wrong = differences(expected, found, path);
  if (wrong) throw new Error(wrong);
}

// What does not hold; empty where all does.
function differences(expected: Json, found: Json, path: string): string {
  const nested = Array.isArray(expected)
    ? Array.isArray(found) && found.length === expected.length
    : expected && found && typeof expected === "object" && typeof found === "object";
  if (nested)
    return Object.entries(expected)
      .map(([key, each]) => differences(each, found[key], `${path}.${key}`))
      .find(Boolean) ?? "";
  if (isDeepStrictEqual(expected ?? null, found ?? null) || (expected === "*" && found != null)) return "";
  return `${path}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`;
}

async function collected(messages: AsyncGenerator<Json>): Promise<Json[]> {
  const all = [];
  for await (const message of messages) all.push(message);
  return all;
}

const given = JSON.parse(process.env.CONFORMANCE_VARIABLES!);
for (const { name, uuids, steps } of JSON.parse(readFileSync(process.argv[2]!, "utf8")).scenarios) {
  const player = new Player({ ...given, ...Object.fromEntries(uuids.map((each: string) => [each, randomUUID()])) });
  let verdict: Json = { scenario: name, ok: true };
  for (const [step, each] of steps.entries()) {
    try {
      await player.play(each);
    } catch (error) {
      verdict = { scenario: name, ok: false, step, why: String(error) };
      break;
    }
  }
  console.log(JSON.stringify(verdict));
}
for (const transport of Object.values(transports)) transport.close();
