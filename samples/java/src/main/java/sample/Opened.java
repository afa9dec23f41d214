package sample;

import com.google.protobuf.MessageLite;
import dapr.proto.components.v1.Common.MetadataRequest;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** What each component has opened with its Init, which may come again; and how calls end. */
final class Opened<T> {
  /** What answers a call. */
  interface Answer<M extends MessageLite> {
    M get() throws Exception;
  }

  private final Map<String, T> values = new ConcurrentHashMap<>();

  void put(T value) {
    values.put(Serving.component(), value);
  }

  /** That of the component which the present call is for. */
  T get() {
    String component = Serving.component();
    T value = values.get(component);
    if (value == null) {
      throw Status.FAILED_PRECONDITION
          .withDescription("component `" + component + "` has not been initialised")
          .asRuntimeException();
    }
    return value;
  }

  /** A metadata field of the component that has to be there. */
  static String needed(MetadataRequest metadata, String field, String what) {
    String value = metadata.getPropertiesMap().getOrDefault(field, "");
    if (value.isEmpty()) {
      throw Status.INVALID_ARGUMENT
          .withDescription("metadata `" + field + "` is missing: " + what)
          .asRuntimeException();
    }
    return value;
  }

  /** Ends a call with its answer, or with what went wrong. */
  static <M extends MessageLite> void answer(StreamObserver<M> caller, Answer<M> answer) {
    M message;
    try {
      message = answer.get();
    } catch (Exception error) {
      caller.onError(status(error).asRuntimeException());
      return;
    }
    caller.onNext(message);
    caller.onCompleted();
  }

  /** An error that is no status is one of this plugin. */
  static Status status(Exception error) {
    Status status = Status.fromThrowable(error);
    boolean told = status.getCode() != Status.Code.UNKNOWN;
    return told ? status : Status.INTERNAL.withDescription(error.toString()).withCause(error);
  }
}
