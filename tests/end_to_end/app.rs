//! The application that replug calls.

use tokio::net::TcpListener;

use crate::rig::{Home, Replug, http};

#[tokio::test]
async fn replug_is_healthy_when_the_applications_port_is_there() {
    let home = Home::empty();
    // A port that nobody else is given while this is held, since it is bound and not listened on.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = reserved.local_addr().unwrap().port();
    home.write_plan(&format!("[app]\nport = {port}\nmax_concurrency = 7\n"));
    let replug = Replug::start(&home).await;
    let address = replug.status().await.address("http");
    let healthz = async |path: &str| http::request(address, "GET", path, "").await;

    let answer = healthz("/v1.0/healthz/outbound").await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
    let answer = healthz("/v1.0/healthz").await;
    assert_eq!(answer.status.as_u16(), 500);
    assert!(answer.body.contains("ERR_HEALTH_NOT_READY"), "{}", answer.body);
    let shown = replug.status().await.application.unwrap();
    assert_eq!((shown.address, shown.state), (format!("http 127.0.0.1:{port}"), "awaited".into()));
    let metadata = healthz("/v1.0/metadata").await.body;
    let properties = format!(
        r#""appConnectionProperties":{{"port":{port},"protocol":"http","channelAddress":"127.0.0.1","maxConcurrency":7}}"#
    );
    assert!(metadata.contains(&properties), "{metadata}");

    let application: TcpListener = reserved.listen(8).unwrap();
    // Asked for its configuration, it answers nothing and hangs up.
    let serving = tokio::spawn(async move {
        loop {
            drop(application.accept().await.unwrap());
        }
    });
    replug.line("the application is there: replug is ready").await;
    assert_eq!(replug.status().await.application.unwrap().state, "healthy");
    let answer = healthz("/v1.0/healthz").await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
    serving.abort();
    replug.stop(&home).await;
}
