import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What comes from outside, in any thread, to be asked for one by one. */
final class Arrivals<T> {
  private static final int PATIENCE_SECONDS = 60;

  private final BlockingQueue<T> come = new LinkedBlockingQueue<>();

  void put(T arrival) {
    come.add(arrival);
  }

  /** The next one, which is waited for. */
  T next() {
    try {
      T arrival = come.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      if (arrival == null) {
        throw new IllegalStateException("nothing has come");
      }
      return arrival;
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }
}
