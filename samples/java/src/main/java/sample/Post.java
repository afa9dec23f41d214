package sample;

import dapr.proto.components.v1.Common.FeaturesRequest;
import dapr.proto.components.v1.Common.FeaturesResponse;
import dapr.proto.components.v1.Common.PingRequest;
import dapr.proto.components.v1.Common.PingResponse;
import dapr.proto.components.v1.PubSubGrpc.PubSubImplBase;
import dapr.proto.components.v1.Pubsub.BulkMessageEntry;
import dapr.proto.components.v1.Pubsub.BulkPublishRequest;
import dapr.proto.components.v1.Pubsub.BulkPublishResponse;
import dapr.proto.components.v1.Pubsub.PubSubInitRequest;
import dapr.proto.components.v1.Pubsub.PubSubInitResponse;
import dapr.proto.components.v1.Pubsub.PublishRequest;
import dapr.proto.components.v1.Pubsub.PublishResponse;
import dapr.proto.components.v1.Pubsub.PullMessagesRequest;
import dapr.proto.components.v1.Pubsub.PullMessagesResponse;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;

/**
 * A publish and subscribe plugin: messages in folders, {@code pubsub.java-post}.
 *
 * <pre>
 * FOLDER/topics/TOPIC/CONSUMER/…     what waits for a consumer, a file a message
 * FOLDER/drafts/…                    what is being written
 * </pre>
 *
 * <p>A consumer is there from its first subscription on, also while it is away. What is published
 * before is not for it.
 */
final class Post extends PubSubImplBase {
  private final Opened<Office> offices = new Opened<>();
  private final Bell bell = new Bell();

  public static void main(String[] arguments) throws Exception {
    Serving.run("java-post", new Post());
  }

  @Override
  public void init(PubSubInitRequest request, StreamObserver<PubSubInitResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          var metadata = request.getMetadata();
          String folder = Opened.needed(metadata, "folder", "where the messages are kept");
          String consumer = metadata.getPropertiesMap().getOrDefault("consumerID", "");
          offices.put(new Office(Path.of(folder), consumer.isEmpty() ? "consumer" : consumer));
          return PubSubInitResponse.getDefaultInstance();
        });
  }

  @Override
  public void features(FeaturesRequest request, StreamObserver<FeaturesResponse> caller) {
    Opened.answer(caller, () -> FeaturesResponse.newBuilder().addFeatures("BULK_PUBSUB").build());
  }

  @Override
  public void ping(PingRequest request, StreamObserver<PingResponse> caller) {
    Opened.answer(caller, PingResponse::getDefaultInstance);
  }

  @Override
  public void publish(PublishRequest request, StreamObserver<PublishResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          var message = PullMessagesResponse.newBuilder();
          message.setTopicName(request.getTopic()).setData(request.getData());
          message.setContentType(request.getContentType()).putAllMetadata(request.getMetadataMap());
          offices.get().publish(message.build());
          bell.ring();
          return PublishResponse.getDefaultInstance();
        });
  }

  @Override
  public void bulkPublish(BulkPublishRequest request, StreamObserver<BulkPublishResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          for (BulkMessageEntry entry : request.getEntriesList()) {
            var message = PullMessagesResponse.newBuilder();
            message.setTopicName(request.getTopic()).setData(entry.getEvent());
            message.setContentType(entry.getContentType());
            message.putAllMetadata(request.getMetadataMap());
            message.putAllMetadata(entry.getMetadataMap());
            offices.get().publish(message.build());
          }
          bell.ring();
          return BulkPublishResponse.getDefaultInstance();
        });
  }

  @Override
  public StreamObserver<PullMessagesRequest> pullMessages(
      StreamObserver<PullMessagesResponse> caller) {
    return new Stream<PullMessagesRequest, PullMessagesResponse>(caller) {
      @Override
      Delivery open(PullMessagesRequest first) throws Exception {
        Inbox inbox = offices.get().inbox(first.getTopic().getName());
        // From now on messages wait for this consumer, which the caller can see by the headers.
        Serving.answerHeaders();
        return deliver(
            inbox,
            bell,
            (name, content) ->
                PullMessagesResponse.parseFrom(content).toBuilder().setId(name).build());
      }

      @Override
      void take(Delivery delivery, PullMessagesRequest next) {
        if (!next.getAckMessageId().isEmpty()) {
          delivery.acknowledge(next.getAckMessageId(), next.hasAckError());
        }
      }
    };
  }
}
