package sample;

import dapr.proto.components.v1.Pubsub.PullMessagesResponse;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A pubsub component: its folder, and in whose name it subscribes. */
final class Office {
  private final Path folder;
  private final String consumer;

  Office(Path folder, String consumer) throws IOException {
    this.folder = folder;
    this.consumer = consumer;
    Inbox.clearDrafts(drafts());
  }

  Inbox inbox(String topic) throws IOException {
    return new Inbox(folderOf(topic).resolve(encoded(consumer)));
  }

  /** Puts a message into the inboxes of everybody who has subscribed. */
  void publish(PullMessagesResponse message) throws IOException {
    List<Inbox> inboxes = new ArrayList<>();
    Path topic = folderOf(message.getTopicName());
    if (Files.isDirectory(topic)) {
      try (var consumers = Files.newDirectoryStream(topic)) {
        for (Path path : consumers) {
          inboxes.add(new Inbox(path));
        }
      }
    }
    Inbox.put(drafts(), inboxes, message.toByteArray());
  }

  private Path drafts() {
    return folder.resolve("drafts");
  }

  private Path folderOf(String topic) {
    return folder.resolve("topics").resolve(encoded(topic));
  }

  /** A name of one folder, whatever is in it. */
  private static String encoded(String name) {
    return URLEncoder.encode(name, StandardCharsets.UTF_8).replace(".", "%2E");
  }
}
