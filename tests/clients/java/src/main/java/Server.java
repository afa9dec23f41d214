import com.fasterxml.jackson.databind.JsonNode;
import io.dapr.Topic;
import io.dapr.client.domain.BulkSubscribeAppResponse;
import io.dapr.client.domain.BulkSubscribeAppResponseEntry;
import io.dapr.client.domain.BulkSubscribeAppResponseStatus;
import io.dapr.client.domain.BulkSubscribeMessage;
import io.dapr.client.domain.CloudEvent;
import io.dapr.springboot.annotations.BulkSubscribe;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.logging.LoggingSystem;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/**
 * The application's server, with Dapr's extension for Spring Boot: takes the events of a binding,
 * and the messages of two topics, which the extension names where it is asked.
 */
@EnableAutoConfiguration
@RestController
public class Server {
  static final Arrivals<JsonNode> EVENTS = new Arrivals<>();
  static final Arrivals<String> MESSAGES = new Arrivals<>();
  static final Arrivals<String> GATHERED = new Arrivals<>();

  /** Tomcat's logging, which is not the others'. Its level goes with the last reference to it. */
  private static final Logger TOMCAT = Logger.getLogger("org.apache");

  /** Serves on this port, in threads of its own, when it returns. */
  static void start(String port, JsonNode components) {
    // Spring Boot would set the levels anew.
    System.setProperty(LoggingSystem.SYSTEM_PROPERTY, LoggingSystem.NONE);
    TOMCAT.setLevel(Level.WARNING);
    var application = new SpringApplication(Server.class);
    application.setBannerMode(Banner.Mode.OFF);
    application.setDefaultProperties(
        Map.of(
            "server.address", "127.0.0.1",
            "server.port", port,
            "used.binding", components.path("binding").asText(),
            "used.pubsub", components.path("pubsub").asText()));
    application.run();
  }

  @PostMapping("/${used.binding}")
  public void take(@RequestBody JsonNode event) {
    EVENTS.put(event);
  }

  @Topic(name = "served", pubsubName = "${used.pubsub}")
  @PostMapping("/served")
  public void hear(@RequestBody CloudEvent<String> event) {
    MESSAGES.put(event.getData());
  }

  @BulkSubscribe
  @Topic(name = "gathered", pubsubName = "${used.pubsub}")
  @PostMapping("/gathered")
  public BulkSubscribeAppResponse hearSeveral(
      @RequestBody BulkSubscribeMessage<CloudEvent<String>> several) {
    List<BulkSubscribeAppResponseEntry> statuses = new ArrayList<>();
    for (var entry : several.getEntries()) {
      GATHERED.put(entry.getEvent().getData());
      statuses.add(
          new BulkSubscribeAppResponseEntry(
              entry.getEntryId(), BulkSubscribeAppResponseStatus.SUCCESS));
    }
    return new BulkSubscribeAppResponse(statuses);
  }
}
