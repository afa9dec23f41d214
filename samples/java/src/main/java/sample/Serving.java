package sample;

import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.protobuf.services.ProtoReflectionService;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/** What every plugin has: the socket and its folder, reflection, a clean stop. */
final class Serving {
  private static final String DEFAULT_SOCKET_FOLDER = "/tmp/dapr-components-sockets";
  private static final int MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

  /** Calls under way when SIGTERM comes get this long. */
  private static final int STOP_GRACE_SECONDS = 2;

  private static final Metadata.Key<String> INSTANCE =
      Metadata.Key.of("x-component-instance", Metadata.ASCII_STRING_MARSHALLER);
  private static final Context.Key<String> COMPONENT = Context.key("component");
  private static final Context.Key<ServerCall<?, ?>> CALL = Context.key("call");

  /** Tells at each connection that keep-alives are for TCP. Kept, or it would be forgotten. */
  private static final Logger TALKATIVE =
      Logger.getLogger("io.grpc.netty.shaded.io.netty.bootstrap");

  private Serving() {}

  /**
   * Serves on {@code <folder>/<name>.sock} until it is told to stop. The name of the socket is that
   * of the component type: {@code pubsub.<name>} and so on. By reflection the runtime finds the
   * services, in its present form or, as Dapr, in the one before.
   */
  @SuppressWarnings("deprecation")
  static void run(String name, BindableService... services) throws Exception {
    TALKATIVE.setLevel(Level.SEVERE);
    Path socket = socketPath(name);
    var loops = new EpollEventLoopGroup();
    var builder =
        NettyServerBuilder.forAddress(new DomainSocketAddress(socket.toFile()))
            .channelType(EpollServerDomainSocketChannel.class)
            .bossEventLoopGroup(loops)
            .workerEventLoopGroup(loops)
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .intercept(new CallInContext())
            .addService(ProtoReflectionServiceV1.newInstance())
            .addService(ProtoReflectionService.newInstance());
    for (BindableService service : services) {
      builder.addService(service);
    }
    Server server = builder.build().start();
    System.err.println("INFO serving on " + socket);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server, socket)));
    server.awaitTermination();
  }

  /** The component that the present call is for; empty where the caller names none. */
  static String component() {
    return COMPONENT.get();
  }

  /** Answers the present call with its headers now, not with its first message. */
  static void answerHeaders() {
    CALL.get().sendHeaders(new Metadata());
  }

  /** Where the runtime looks for this plugin, free of what an earlier process has left there. */
  private static Path socketPath(String name) throws Exception {
    String told = System.getenv("DAPR_COMPONENTS_SOCKETS_FOLDER");
    Path folder = Path.of(told == null || told.isEmpty() ? DEFAULT_SOCKET_FOLDER : told);
    Files.createDirectories(folder);
    Path socket = folder.resolve(name + ".sock");
    Files.deleteIfExists(socket);
    return socket;
  }

  private static void stop(Server server, Path socket) {
    System.err.println("INFO stopping");
    try {
      if (!server.shutdown().awaitTermination(STOP_GRACE_SECONDS, TimeUnit.SECONDS)) {
        server.shutdownNow().awaitTermination(STOP_GRACE_SECONDS, TimeUnit.SECONDS);
      }
      Files.deleteIfExists(socket);
    } catch (Exception error) {
      System.err.println("WARN " + error);
    }
    // Java would say that the signal has ended it.
    Runtime.getRuntime().halt(0);
  }

  /** Lets a service know its call. */
  private static final class CallInContext implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      String component = headers.get(INSTANCE);
      var once = new HeadersOnce<>(call);
      Context context =
          Context.current()
              .withValue(COMPONENT, component == null ? "" : component)
              .withValue(CALL, once);
      return Contexts.interceptCall(context, once, headers, next);
    }
  }

  /** Headers that were sent early are not sent again with the first message. */
  private static final class HeadersOnce<Q, A> extends SimpleForwardingServerCall<Q, A> {
    private boolean sent;

    HeadersOnce(ServerCall<Q, A> call) {
      super(call);
    }

    @Override
    public synchronized void sendHeaders(Metadata headers) {
      if (!sent) {
        sent = true;
        super.sendHeaders(headers);
      }
    }
  }
}
