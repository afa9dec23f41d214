package sample;

import dapr.proto.components.v1.Common.FeaturesRequest;
import dapr.proto.components.v1.Common.FeaturesResponse;
import dapr.proto.components.v1.Common.PingRequest;
import dapr.proto.components.v1.Common.PingResponse;
import dapr.proto.components.v1.SecretStoreGrpc.SecretStoreImplBase;
import dapr.proto.components.v1.Secretstore.BulkGetSecretRequest;
import dapr.proto.components.v1.Secretstore.BulkGetSecretResponse;
import dapr.proto.components.v1.Secretstore.GetSecretRequest;
import dapr.proto.components.v1.Secretstore.GetSecretResponse;
import dapr.proto.components.v1.Secretstore.SecretResponse;
import dapr.proto.components.v1.Secretstore.SecretStoreInitRequest;
import dapr.proto.components.v1.Secretstore.SecretStoreInitResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A secret store plugin: the secrets of a file, {@code secretstores.java-vault}.
 *
 * <p>A line is {@code name=value}, or {@code name.part=value} for a secret of several values. The
 * file is read for each call, so that a changed secret is given at once.
 */
final class Vault extends SecretStoreImplBase {
  private final Opened<Path> files = new Opened<>();

  public static void main(String[] arguments) throws Exception {
    Serving.run("java-vault", new Vault());
  }

  @Override
  public void init(
      SecretStoreInitRequest request, StreamObserver<SecretStoreInitResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          String what = "the path of the file with the secrets";
          Path file = Path.of(Opened.needed(request.getMetadata(), "file", what));
          // A file that cannot be read is better known now.
          read(file);
          files.put(file);
          return SecretStoreInitResponse.getDefaultInstance();
        });
  }

  @Override
  public void features(FeaturesRequest request, StreamObserver<FeaturesResponse> caller) {
    String several = "MULTIPLE_KEY_VALUES_PER_SECRET";
    Opened.answer(caller, () -> FeaturesResponse.newBuilder().addFeatures(several).build());
  }

  @Override
  public void ping(PingRequest request, StreamObserver<PingResponse> caller) {
    Opened.answer(caller, PingResponse::getDefaultInstance);
  }

  @Override
  public void get(GetSecretRequest request, StreamObserver<GetSecretResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          Map<String, String> values = read(files.get()).get(request.getKey());
          if (values == null) {
            throw Status.NOT_FOUND
                .withDescription("there is no secret `" + request.getKey() + "`")
                .asRuntimeException();
          }
          return GetSecretResponse.newBuilder().putAllData(values).build();
        });
  }

  @Override
  public void bulkGet(BulkGetSecretRequest request, StreamObserver<BulkGetSecretResponse> caller) {
    Opened.answer(
        caller,
        () -> {
          var all = BulkGetSecretResponse.newBuilder();
          read(files.get())
              .forEach(
                  (key, values) ->
                      all.putData(key, SecretResponse.newBuilder().putAllSecrets(values).build()));
          return all.build();
        });
  }

  /** The values of each secret. An empty line and one that begins with # say nothing. */
  private static Map<String, Map<String, String>> read(Path file) throws IOException {
    Map<String, Map<String, String>> secrets = new HashMap<>();
    List<String> lines = Files.readAllLines(file);
    for (int index = 0; index < lines.size(); index++) {
      String line = lines.get(index);
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      int equals = line.indexOf('=');
      if (equals < 0) {
        throw new IOException(file + ": line " + (index + 1) + " is not name=value");
      }
      String[] name = line.substring(0, equals).split("\\.", 2);
      secrets
          .computeIfAbsent(name[0], secret -> new HashMap<>())
          .put(name[name.length - 1], line.substring(equals + 1));
    }
    return secrets;
  }
}
