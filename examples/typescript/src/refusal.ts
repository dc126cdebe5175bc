// What a refused call says to programs: decide by the reason, not by the message.
import { RpcError } from "@protobuf-ts/runtime-rpc";
import { BadRequest, ErrorInfo, PreconditionFailure, RetryInfo } from "../gen/google/rpc/error_details";
import { Status } from "../gen/google/rpc/status";

export interface Refusal {
  code: string;
  reason?: string;
  metadata: Record<string, string>;
  fields: string[];
  subject?: string;
  retryAfter: boolean;
}

export function refusalOf(error: RpcError): Refusal {
  const refusal: Refusal = { code: error.code, metadata: {}, fields: [], retryAfter: false };
  const packed = error.meta["grpc-status-details-bin"];
  if (typeof packed !== "string") return refusal;
  for (const { typeUrl, value } of Status.fromBinary(Buffer.from(packed, "base64")).details) {
    switch (typeUrl.split("/").pop()) {
      case ErrorInfo.typeName: {
        const info = ErrorInfo.fromBinary(value);
        refusal.reason = info.reason;
        refusal.metadata = info.metadata;
        break;
      }
      case BadRequest.typeName:
        refusal.fields = BadRequest.fromBinary(value).fieldViolations.map((each) => each.field);
        break;
      case PreconditionFailure.typeName:
        refusal.subject = PreconditionFailure.fromBinary(value).violations[0]?.subject;
        break;
      case RetryInfo.typeName:
        refusal.retryAfter = true;
        break;
    }
  }
  return refusal;
}
