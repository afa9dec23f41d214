package sample;

import java.io.IOException;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Delivers what waits in an inbox over one stream, and takes its acknowledgements.
 *
 * <p>What is not acknowledged stays, and is delivered by the next stream.
 */
final class Delivery {
  /** Where messages and the stream's end go. */
  interface Caller {
    void message(String name, byte[] content) throws IOException;

    void end();

    void failure(Exception error);
  }

  private interface Task {
    void run() throws Exception;
  }

  /** So many messages may be on their way in one stream. */
  private static final int UNACKNOWLEDGED = 100;

  /** A message that the application refused comes again after this. */
  private static final int RETRY_SECONDS = 1;

  /** Other processes may put messages there too, so it is looked again. */
  private static final int LOOK_SECONDS = 1;

  private final Inbox inbox;
  private final Bell bell;
  private final Caller caller;
  private final Set<String> onTheWay = new HashSet<>();
  private final Runnable hearer = () -> then(this::look);

  /** Everything is done one after the other, here. */
  private final ScheduledExecutorService work =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            var thread = new Thread(task, "delivery");
            thread.setDaemon(true);
            return thread;
          });

  Delivery(Inbox inbox, Bell bell, Caller caller) {
    this.inbox = inbox;
    this.bell = bell;
    this.caller = caller;
    bell.add(hearer);
    work.scheduleWithFixedDelay(hearer, 0, LOOK_SECONDS, TimeUnit.SECONDS);
  }

  /** The application has taken a message, or refused it. */
  void acknowledge(String name, boolean refused) {
    if (refused) {
      then(() -> work.schedule(() -> then(() -> again(name)), RETRY_SECONDS, TimeUnit.SECONDS));
    } else {
      then(
          () -> {
            inbox.remove(name);
            again(name);
          });
    }
  }

  /** The caller says no more, so neither does the plugin. */
  void end() {
    then(
        () -> {
          close();
          caller.end();
        });
  }

  /** The stream is gone. */
  void close() {
    bell.remove(hearer);
    work.shutdownNow();
  }

  private void again(String name) throws IOException {
    onTheWay.remove(name);
    look();
  }

  private void look() throws IOException {
    for (String name : inbox.names()) {
      if (onTheWay.size() >= UNACKNOWLEDGED) {
        return;
      }
      if (onTheWay.contains(name)) {
        continue;
      }
      byte[] content = inbox.read(name);
      if (content != null) {
        onTheWay.add(name);
        caller.message(name, content);
      }
    }
  }

  private void then(Task task) {
    try {
      work.execute(
          () -> {
            try {
              task.run();
            } catch (Exception error) {
              close();
              caller.failure(error);
            }
          });
    } catch (RejectedExecutionException closed) {
      // The stream has ended.
    }
  }
}
