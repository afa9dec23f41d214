package sample;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Rings in every delivery of this process when there is something new. */
final class Bell {
  private final Set<Runnable> hearers = ConcurrentHashMap.newKeySet();

  void add(Runnable hearer) {
    hearers.add(hearer);
  }

  void remove(Runnable hearer) {
    hearers.remove(hearer);
  }

  void ring() {
    hearers.forEach(Runnable::run);
  }
}
