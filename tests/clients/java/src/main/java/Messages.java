import io.dapr.client.DaprPreviewClient;
import io.dapr.client.SubscriptionListener;
import io.dapr.client.domain.CloudEvent;
import io.dapr.utils.TypeRef;
import reactor.core.publisher.Mono;

/** What a stream of messages has brought, to be asked for one by one. */
final class Messages implements SubscriptionListener<String> {
  private final Arrivals<String> come = new Arrivals<>();

  /** Opens the stream, which goes on as long as the client does. */
  static Messages of(DaprPreviewClient client, String pubsub, String topic) {
    var messages = new Messages();
    client.subscribeToEvents(pubsub, topic, messages, TypeRef.STRING);
    return messages;
  }

  @Override
  public Mono<Status> onEvent(CloudEvent<String> event) {
    come.put(event.getData());
    return Mono.just(Status.SUCCESS);
  }

  @Override
  public void onError(RuntimeException error) {
    System.err.println(error);
  }

  String next() {
    return come.next();
  }
}
