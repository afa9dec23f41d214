import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.dapr.client.DaprClient;
import io.dapr.client.DaprClientBuilder;
import io.dapr.client.DaprPreviewClient;
import io.dapr.exceptions.DaprException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** An application on Dapr's public SDK for Java, led step by step: ../README.md tells how. */
public final class Application {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** How long the runtime may take to be there. */
  private static final int PATIENCE_MILLISECONDS = 60_000;

  public static void main(String[] arguments) throws Exception {
    JsonNode components = JSON.readTree(arguments[0]);
    var input = new InputStreamReader(System.in, StandardCharsets.UTF_8);
    try (DaprClient client = new DaprClientBuilder().build();
        DaprPreviewClient preview = new DaprClientBuilder().buildPreviewClient();
        var lines = new BufferedReader(input)) {
      String port = System.getenv("APP_PORT");
      if (port != null) {
        Server.start(port, components);
      }
      client.waitForSidecar(PATIENCE_MILLISECONDS).block();
      var steps = new Steps(client, preview, components);
      say(answer("ok", "connected"));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode asked = JSON.readTree(line);
        say(take(steps, asked.get("step").asText(), asked.get("arguments")));
      }
    }
    // The SDK leaves threads behind.
    System.exit(0);
  }

  private static Map<String, Object> take(Steps steps, String step, JsonNode given) {
    try {
      return answer("ok", steps.take(step, given));
    } catch (DaprException error) {
      Map<String, Object> failed = answer("error", error.getMessage());
      failed.put("code", error.getErrorCode());
      return failed;
    }
  }

  private static Map<String, Object> answer(String name, Object value) {
    Map<String, Object> answer = new HashMap<>();
    answer.put(name, value);
    return answer;
  }

  private static void say(Map<String, Object> answer) throws Exception {
    System.out.println("answer " + JSON.writeValueAsString(answer));
  }
}
