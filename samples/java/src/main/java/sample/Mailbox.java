package sample;

import com.google.protobuf.ByteString;
import dapr.proto.components.v1.Bindings.InputBindingInitRequest;
import dapr.proto.components.v1.Bindings.InputBindingInitResponse;
import dapr.proto.components.v1.Bindings.InvokeRequest;
import dapr.proto.components.v1.Bindings.InvokeResponse;
import dapr.proto.components.v1.Bindings.ListOperationsRequest;
import dapr.proto.components.v1.Bindings.ListOperationsResponse;
import dapr.proto.components.v1.Bindings.OutputBindingInitRequest;
import dapr.proto.components.v1.Bindings.OutputBindingInitResponse;
import dapr.proto.components.v1.Bindings.ReadRequest;
import dapr.proto.components.v1.Bindings.ReadResponse;
import dapr.proto.components.v1.Common.MetadataRequest;
import dapr.proto.components.v1.Common.PingRequest;
import dapr.proto.components.v1.Common.PingResponse;
import dapr.proto.components.v1.InputBindingGrpc.InputBindingImplBase;
import dapr.proto.components.v1.OutputBindingGrpc.OutputBindingImplBase;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A binding plugin, in and out: a folder of letters, {@code bindings.java-mailbox}.
 *
 * <p>The operation {@code create} puts a letter there, {@code list} tells which wait. As an input
 * binding it gives each letter to the application, and keeps it until the application has taken it.
 */
final class Mailbox {
  /** A component is opened by either contract, or by both. */
  private final Opened<Path> folders = new Opened<>();

  private final Bell bell = new Bell();

  public static void main(String[] arguments) throws Exception {
    var mailbox = new Mailbox();
    Serving.run("java-mailbox", mailbox.new Door(), mailbox.new Slot());
  }

  private void open(MetadataRequest metadata) throws IOException {
    Path folder = Path.of(Opened.needed(metadata, "folder", "where the letters are kept"));
    Inbox.clearDrafts(folder.resolve("drafts"));
    folders.put(folder);
  }

  private static Inbox letters(Path folder) throws IOException {
    return new Inbox(folder.resolve("letters"));
  }

  /** Where letters go in: an output binding. */
  private final class Slot extends OutputBindingImplBase {
    @Override
    public void init(
        OutputBindingInitRequest request, StreamObserver<OutputBindingInitResponse> caller) {
      Opened.answer(
          caller,
          () -> {
            open(request.getMetadata());
            return OutputBindingInitResponse.getDefaultInstance();
          });
    }

    @Override
    public void ping(PingRequest request, StreamObserver<PingResponse> caller) {
      Opened.answer(caller, PingResponse::getDefaultInstance);
    }

    @Override
    public void listOperations(
        ListOperationsRequest request, StreamObserver<ListOperationsResponse> caller) {
      var both = ListOperationsResponse.newBuilder().addOperations("create").addOperations("list");
      Opened.answer(caller, both::build);
    }

    @Override
    public void invoke(InvokeRequest request, StreamObserver<InvokeResponse> caller) {
      Opened.answer(caller, () -> invoke(request, folders.get()));
    }

    private InvokeResponse invoke(InvokeRequest request, Path folder) throws IOException {
      Inbox inbox = letters(folder);
      switch (request.getOperation()) {
        case "create":
          var letter = ReadResponse.newBuilder().setData(request.getData());
          letter.putAllMetadata(request.getMetadataMap());
          Inbox.put(folder.resolve("drafts"), List.of(inbox), letter.build().toByteArray());
          bell.ring();
          return InvokeResponse.getDefaultInstance();
        case "list":
          // Names are digits and dashes, so this is JSON.
          String names =
              inbox.names().stream()
                  .map(name -> '"' + name + '"')
                  .collect(Collectors.joining(",", "[", "]"));
          return InvokeResponse.newBuilder()
              .setData(ByteString.copyFromUtf8(names))
              .setContentType("application/json")
              .build();
        default:
          throw Status.INVALID_ARGUMENT
              .withDescription(
                  "operation `" + request.getOperation() + "` is not one of create, list")
              .asRuntimeException();
      }
    }
  }

  /** Where letters come out: an input binding. */
  private final class Door extends InputBindingImplBase {
    @Override
    public void init(
        InputBindingInitRequest request, StreamObserver<InputBindingInitResponse> caller) {
      Opened.answer(
          caller,
          () -> {
            open(request.getMetadata());
            return InputBindingInitResponse.getDefaultInstance();
          });
    }

    @Override
    public void ping(PingRequest request, StreamObserver<PingResponse> caller) {
      Opened.answer(caller, PingResponse::getDefaultInstance);
    }

    @Override
    public StreamObserver<ReadRequest> read(StreamObserver<ReadResponse> caller) {
      return new Stream<ReadRequest, ReadResponse>(caller) {
        @Override
        Delivery open(ReadRequest first) throws Exception {
          return deliver(
              letters(folders.get()),
              bell,
              (name, content) ->
                  ReadResponse.parseFrom(content).toBuilder().setMessageId(name).build());
        }

        @Override
        void take(Delivery delivery, ReadRequest next) {
          if (!next.getMessageId().isEmpty()) {
            delivery.acknowledge(next.getMessageId(), next.hasResponseError());
          }
        }
      }.opened();
    }
  }
}
