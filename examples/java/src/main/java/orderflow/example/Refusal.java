package orderflow.example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.PreconditionFailure;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;

/** What a refused call says to programs: decide by the reason, not by the message. */
record Refusal(
    Status.Code code,
    String reason,
    Map<String, String> metadata,
    List<String> fields,
    String subject,
    boolean retryAfter) {

  static Refusal of(StatusRuntimeException error) throws InvalidProtocolBufferException {
    String reason = null;
    String subject = null;
    Map<String, String> metadata = Map.of();
    List<String> fields = List.of();
    boolean retryAfter = false;
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        reason = detail.unpack(ErrorInfo.class).getReason();
        metadata = detail.unpack(ErrorInfo.class).getMetadataMap();
      } else if (detail.is(BadRequest.class)) {
        fields =
            detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                .map(BadRequest.FieldViolation::getField)
                .toList();
      } else if (detail.is(PreconditionFailure.class)) {
        subject = detail.unpack(PreconditionFailure.class).getViolations(0).getSubject();
      } else if (detail.is(RetryInfo.class)) {
        retryAfter = true;
      }
    }
    return new Refusal(error.getStatus().getCode(), reason, metadata, fields, subject, retryAfter);
  }
}
