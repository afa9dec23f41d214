import com.fasterxml.jackson.databind.JsonNode;
import io.dapr.client.DaprClient;
import io.dapr.client.DaprPreviewClient;
import io.dapr.client.domain.State;
import io.dapr.client.domain.TransactionalStateOperation;
import io.dapr.client.domain.TransactionalStateOperation.OperationType;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the application does, over one client and the components that it uses. */
final class Steps {
  private final DaprClient client;
  private final DaprPreviewClient preview;
  private final String store;
  private final String secrets;
  private final String pubsub;
  private final String binding;

  private Messages messages;

  Steps(DaprClient client, DaprPreviewClient preview, JsonNode components) {
    this.client = client;
    this.preview = preview;
    this.store = components.path("state").asText();
    this.secrets = components.path("secrets").asText();
    this.pubsub = components.path("pubsub").asText();
    this.binding = components.path("binding").asText();
  }

  Object take(String step, JsonNode given) {
    switch (step) {
      case "save":
        save(given.get("key").asText(), given.get("value").asText(), etag(given));
        return null;
      case "save_bulk":
        client.saveBulkState(store, new ArrayList<>(states(given.get("values")))).block();
        return null;
      case "get":
        return get(given.get("key").asText());
      case "get_bulk":
        return getBulk(texts(given.get("keys")));
      case "transact":
        transact(states(given.get("set")), texts(given.get("delete")));
        return null;
      case "delete":
        client.deleteState(store, given.get("key").asText(), etag(given), null).block();
        return null;
      case "work":
        work(given.get("rounds").asInt());
        return null;
      case "secret":
        return client.getSecret(secrets, given.get("key").asText()).block();
      case "secrets":
        return client.getBulkSecret(secrets).block();
      case "publish":
        client.publishEvent(pubsub, given.get("topic").asText(), given.get("data").asText()).block();
        return null;
      case "subscribe":
        messages = Messages.of(preview, pubsub, given.get("topic").asText());
        return null;
      case "next":
        return messages.next();
      case "invoke":
        return invoke(given.get("operation").asText(), given.get("data"));
      case "event":
        return Server.EVENTS.next();
      case "message":
        return Server.MESSAGES.next();
      case "gathered":
        return Server.GATHERED.next();
      default:
        throw new IllegalArgumentException("there is no step " + step);
    }
  }

  private void save(String key, String value, String etag) {
    client.saveState(store, key, etag, value, null).block();
  }

  private Map<String, String> get(String key) {
    State<String> found = client.getState(store, key, String.class).block();
    return Map.of("value", text(found.getValue()), "etag", text(found.getEtag()));
  }

  private Map<String, String> getBulk(List<String> keys) {
    Map<String, String> values = new HashMap<>();
    for (State<String> state : client.getBulkState(store, keys, String.class).block()) {
      values.put(state.getKey(), text(state.getError()) + text(state.getValue()));
    }
    return values;
  }

  private void transact(List<State<String>> set, List<String> delete) {
    List<TransactionalStateOperation<?>> operations = new ArrayList<>();
    for (State<String> state : set) {
      operations.add(new TransactionalStateOperation<>(OperationType.UPSERT, state));
    }
    for (String key : delete) {
      operations.add(new TransactionalStateOperation<>(OperationType.DELETE, new State<>(key)));
    }
    client.executeStateTransaction(store, operations).block();
  }

  private void work(int rounds) {
    for (int round = 0; round < rounds; round++) {
      String wanted = Integer.toString(round);
      save("work", wanted, null);
      String got = get("work").get("value");
      if (!got.equals(wanted)) {
        throw new IllegalStateException(got + " was read where " + wanted + " had been saved");
      }
    }
  }

  private String invoke(String operation, JsonNode data) {
    byte[] bytes = data.toString().getBytes(StandardCharsets.UTF_8);
    byte[] answer = client.invokeBinding(binding, operation, bytes, Map.of(), byte[].class).block();
    return answer == null ? "" : new String(answer, StandardCharsets.UTF_8);
  }

  private static List<State<String>> states(JsonNode values) {
    List<State<String>> states = new ArrayList<>();
    values
        .fields()
        .forEachRemaining(
            field -> states.add(new State<>(field.getKey(), field.getValue().asText(), "")));
    return states;
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(text -> texts.add(text.asText()));
    return texts;
  }

  private static String etag(JsonNode given) {
    return given.hasNonNull("etag") ? given.get("etag").asText() : null;
  }

  private static String text(String value) {
    return value == null ? "" : value;
  }
}
