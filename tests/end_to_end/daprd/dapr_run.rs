//! Below `dapr run` of Dapr's command line tool (1.16), which starts what is called `daprd` with
//! flags of its own, tells it of itself, and has no flag for what is replug's.

use super::*;

#[tokio::test]
async fn what_dapr_run_passes_is_taken_and_plugins_are_named_by_a_variable() {
    let kv = IN_MEMORY.replace("in-memory", "misbehave").replace("orders", "kv");
    let (home, ports) = (home("", &[("a.yaml", &kv)]), Ports::free());
    home.write_plan(&format!("[plugins.misbehave]\ncommand = [{:?}, \"well\"]\n", misbehave()));
    std::fs::write(
        home.path("config.yaml"),
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: daprConfig}\n",
    )
    .unwrap();
    let (http, grpc, metrics) = (ports.http.port(), ports.grpc.port(), ports.metrics.port());
    let line = format!(
        "--config config.yaml --app-protocol http --log-level info --app-max-concurrency -1 \
         --placement-host-address localhost:50005 --resources-path components --max-body-size 4Mi \
         --read-buffer-size 4Ki --scheduler-host-address localhost:50006 --app-id shop \
         --app-port 0 --dapr-http-port {http} --dapr-grpc-port {grpc} --profile-port -1 \
         --metrics-port {metrics} --dapr-internal-grpc-port 0"
    );
    let flags: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let plan = home.plan();
    let plan = ("REPLUG_PLUGINS", plan.to_str().unwrap());
    let mut replug = Replug::spawn_link(&home, &flags, &[plan]);
    replug.until_usable("kv").await;
    // By which `dapr list`, and `pgrep`, find it.
    let name = std::fs::read_to_string(format!("/proc/{}/comm", replug.pid())).unwrap();
    assert_eq!(name, "daprd\n");
    // It is told of the tool so, and the tool reads it there.
    let told = request(ports.http, "PUT", "/v1.0/metadata/cliPID", "4711").await;
    assert_eq!(told.status.as_u16(), 204, "{}", told.body);
    let metadata = get(ports.http, "/v1.0/metadata").await.1;
    assert_eq!(metadata["extended"]["cliPID"], "4711");
    assert_eq!(metadata["components"][0]["name"], "kv");
    replug.stop(&home).await;
}
