package sample;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * A folder of messages that wait, one file each, until they are acknowledged.
 *
 * <p>A message is there as a whole or not at all, whatever kills the process: it is written
 * elsewhere, synced, and then linked to where it is looked for. Names sort by age.
 */
final class Inbox {
  /** Before a draft is thrown away as one that a kill has cut off. */
  private static final Duration DRAFT_AGE = Duration.ofMinutes(1);

  private static final AtomicLong WRITTEN = new AtomicLong();

  private final Path folder;

  Inbox(Path folder) throws IOException {
    this.folder = Files.createDirectories(folder);
  }

  /** What waits, the oldest first. */
  List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /** A message; null where it has been acknowledged meanwhile. */
  byte[] read(String name) throws IOException {
    try {
      return Files.readAllBytes(folder.resolve(name));
    } catch (NoSuchFileException gone) {
      return null;
    }
  }

  /**
   * Forgets an acknowledged message. The name comes over the wire; it names a file here and nothing
   * else.
   */
  void remove(String name) throws IOException {
    Files.deleteIfExists(folder.resolve(Path.of(name).getFileName()));
  }

  /** Puts a message into inboxes, on disk when it returns. Drafts are on the same file system. */
  static void put(Path drafts, List<Inbox> inboxes, byte[] message) throws IOException {
    Files.createDirectories(drafts);
    long process = ProcessHandle.current().pid();
    long time = System.currentTimeMillis();
    String name = String.format("%015d-%09d-%d", time, WRITTEN.getAndIncrement(), process);
    Path draft = drafts.resolve(name);
    try (var file =
        FileChannel.open(draft, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      var content = ByteBuffer.wrap(message);
      while (content.hasRemaining()) {
        file.write(content);
      }
      file.force(true);
    }
    for (Inbox inbox : inboxes) {
      Files.createLink(inbox.folder.resolve(name), draft);
      try (var folder = FileChannel.open(inbox.folder)) {
        folder.force(true);
      }
    }
    Files.delete(draft);
  }

  /** Throws away what killed processes have left unfinished; nobody was told that it is there. */
  static void clearDrafts(Path drafts) throws IOException {
    if (!Files.isDirectory(drafts)) {
      return;
    }
    Instant old = Instant.now().minus(DRAFT_AGE);
    try (Stream<Path> files = Files.list(drafts)) {
      for (Path draft : files.toList()) {
        if (Files.exists(draft) && Files.getLastModifiedTime(draft).toInstant().isBefore(old)) {
          Files.deleteIfExists(draft);
        }
      }
    }
  }
}
