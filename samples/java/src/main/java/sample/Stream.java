package sample;

import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;

/** The requests of a stream: the first opens a delivery, unless it is open, the others are for it. */
abstract class Stream<Q, A> implements StreamObserver<Q> {
  /** What makes an answer of a message. */
  interface Answer<A> {
    A of(String name, byte[] content) throws IOException;
  }

  private final StreamObserver<A> caller;
  private Delivery delivery;
  private boolean ended;

  Stream(StreamObserver<A> caller) {
    this.caller = caller;
    ((ServerCallStreamObserver<A>) caller).setOnCancelHandler(this::close);
  }

  /** Opens the delivery, with the first request. */
  abstract Delivery open(Q first) throws Exception;

  /** Takes what an open delivery is told. */
  abstract void take(Delivery delivery, Q next);

  final Delivery deliver(Inbox inbox, Bell bell, Answer<A> answer) {
    return new Delivery(
        inbox,
        bell,
        new Delivery.Caller() {
          @Override
          public void message(String name, byte[] content) throws IOException {
            caller.onNext(answer.of(name, content));
          }

          @Override
          public void end() {
            caller.onCompleted();
          }

          @Override
          public void failure(Exception error) {
            caller.onError(Opened.status(error).asRuntimeException());
          }
        });
  }

  /** For a contract whose stream is open without a request. */
  final Stream<Q, A> opened() {
    start(null);
    return this;
  }

  @Override
  public final void onNext(Q request) {
    if (delivery == null) {
      start(request);
    } else {
      take(delivery, request);
    }
  }

  private void start(Q first) {
    if (ended) {
      return;
    }
    try {
      delivery = open(first);
    } catch (Exception error) {
      ended = true;
      caller.onError(Opened.status(error).asRuntimeException());
    }
  }

  @Override
  public final void onCompleted() {
    if (delivery != null) {
      delivery.end();
    } else if (!ended) {
      caller.onCompleted();
    }
  }

  @Override
  public final void onError(Throwable error) {
    close();
  }

  private void close() {
    if (delivery != null) {
      delivery.close();
    }
  }
}
