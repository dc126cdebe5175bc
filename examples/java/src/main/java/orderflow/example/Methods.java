package orderflow.example;

import com.google.protobuf.Descriptors;
import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.protobuf.ProtoUtils;

/** gRPC's view of the contracts' methods, from the generated descriptors: what protoc-gen-grpc-java would write out. */
final class Methods {
  /** A method by the name it has in its service, with instances of the messages that it takes and answers. */
  static <Q extends Message, A extends Message> MethodDescriptor<Q, A> of(
      Descriptors.ServiceDescriptor service, String name, Q request, A answer) {
    Descriptors.MethodDescriptor method = service.findMethodByName(name);
    return MethodDescriptor.<Q, A>newBuilder()
        .setType(method.isServerStreaming() ? MethodType.SERVER_STREAMING : MethodType.UNARY)
        .setFullMethodName(MethodDescriptor.generateFullMethodName(service.getFullName(), name))
        .setRequestMarshaller(ProtoUtils.marshaller(request))
        .setResponseMarshaller(ProtoUtils.marshaller(answer))
        .build();
  }

  private Methods() {}
}
