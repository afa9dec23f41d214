//! `bindings.http`, over a server that tells what it was asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use replug_component::Error;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::servers::{Certificate, has_openssl};
use crate::support::application::{HttpApplication, answer, reserved};
use crate::{invoke, open};

/// Answers what it was asked, and on some paths in a way of its own.
async fn tell(request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let redirect = |status, to: &str| {
        let mut redirect = answer(status, "");
        redirect.headers_mut().insert("location", to.parse().unwrap());
        redirect
    };
    match path {
        "/base/missing" => {
            let mut missing = answer(404, "no such order");
            missing.headers_mut().insert("x-why", "gone".parse().unwrap());
            missing
        }
        "/base/found" => redirect(302, "there"),
        "/base/kept" => redirect(307, "/base/there"),
        "/base/round" => redirect(301, "/base/round"),
        "/base/large" => answer(200, &"x".repeat(100_000)),
        "/base/never" => std::future::pending().await,
        _ => {
            let headers: BTreeMap<_, _> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            let body = String::from_utf8_lossy(request.body());
            let version = request.version();
            let told =
                format!("{} {} {version:?} {headers:?} {body}", request.method(), request.uri());
            let mut told = answer(201, &told);
            for value in ["a", "b"] {
                told.headers_mut().append("x-many", HeaderValue::from_static(value));
            }
            told
        }
    }
}

fn url(server: &HttpApplication) -> String {
    format!("http://{}/base/", server.address)
}

#[tokio::test]
async fn an_operation_is_the_method_and_metadata_are_the_path_and_headers() {
    let server = HttpApplication::start(tell).await;
    let url = url(&server);
    let settings =
        [("url", url.as_str()), ("securityToken", "s3"), ("securityTokenHeader", "X-Token")];
    let binding = open("bindings.http", &settings).await.unwrap();
    let metadata =
        [("path", "/orders?id=1"), ("Content-Type", "text/plain"), ("traceparent", "00-1")];
    for (operation, method, body) in [
        ("create", "POST", " hello"),
        ("post", "POST", " hello"),
        ("put", "PUT", " hello"),
        ("patch", "PATCH", " hello"),
        ("get", "GET", " "),
        ("delete", "DELETE", " "),
        ("options", "OPTIONS", " "),
        ("trace", "TRACE", " "),
    ] {
        let answer = invoke(&binding, operation, "hello", &metadata).await.unwrap().unwrap();
        let told = String::from_utf8(answer.data.to_vec()).unwrap();
        assert!(told.starts_with(&format!("{method} /base/orders?id=1 HTTP/1.1 ")), "{told}");
        assert!(told.ends_with(body), "{told}");
        for header in [
            r#""content-type": "text/plain""#,
            r#""accept": "application/json; charset=utf-8""#,
            r#""x-token": "s3""#,
            r#""traceparent": "00-1""#,
        ] {
            assert!(told.contains(header), "{told}");
        }
        assert_eq!(answer.metadata["statusCode"], "201");
        assert_eq!(answer.metadata["status"], "201 Created");
        assert_eq!(answer.metadata["X-Many"], "a, b");
        assert_eq!(answer.metadata["Content-Length"], told.len().to_string());
    }
    let answer = invoke(&binding, "head", "", &[]).await.unwrap().unwrap();
    assert!(answer.data.is_empty());
    assert_eq!(answer.metadata["statusCode"], "201");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1, "a connection is used again");
}

#[tokio::test]
async fn a_status_that_is_no_success_is_an_error_with_metadata_unless_it_is_asked_not_to_be() {
    let server = HttpApplication::start(tell).await;
    let url = url(&server);
    let strict = open("bindings.http", &[("url", &url)]).await.unwrap();
    let missing = ("path", "missing");
    let error = invoke(&strict, "get", "", &[missing]).await.unwrap_err();
    assert_eq!(error.to_string(), "received status code 404");
    let Error::Answered(told) = error else { panic!("{error:?}") };
    assert_eq!(
        (told.metadata["statusCode"].as_str(), told.metadata["X-Why"].as_str()),
        ("404", "gone")
    );
    let lenient = [missing, ("errorIfNot2XX", "false")];
    let answer = invoke(&strict, "get", "", &lenient).await.unwrap().unwrap();
    assert_eq!(
        (&answer.data[..], answer.metadata["status"].as_str()),
        (&b"no such order"[..], "404 Not Found")
    );

    let lenient =
        open("bindings.http", &[("url", &url), ("errorIfNot2XX", "false")]).await.unwrap();
    assert!(invoke(&lenient, "get", "", &[missing]).await.is_ok());
    assert!(invoke(&lenient, "get", "", &[missing, ("errorIfNot2XX", "yes")]).await.is_err());
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let server = HttpApplication::start(tell).await;
    let url = url(&server);
    let binding = open("bindings.http", &[("url", &url)]).await.unwrap();
    let told = async |path: &str| {
        let answer = invoke(&binding, "post", "hello", &[("path", path)]).await.unwrap().unwrap();
        String::from_utf8(answer.data.to_vec()).unwrap()
    };
    assert!(told("found").await.starts_with("GET /base/there "));
    let kept = told("kept").await;
    assert!(kept.starts_with("POST /base/there ") && kept.ends_with(" hello"), "{kept}");
    let error = invoke(&binding, "get", "", &[("path", "round")]).await.unwrap_err();
    let wanted = format!("Get \"{url}round\": stopped after 10 redirects");
    assert_eq!(error.to_string(), wanted);
}

#[tokio::test]
async fn an_answer_is_bounded_in_time_and_in_size() {
    let server = HttpApplication::start(tell).await;
    let url = url(&server);
    let settings =
        [("url", url.as_str()), ("responseTimeout", "50ms"), ("maxResponseBodySize", "1k")];
    let binding = open("bindings.http", &settings).await.unwrap();
    let error = invoke(&binding, "get", "", &[("path", "never")]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("Get \"{url}never\": context deadline exceeded"));
    let unbounded = [("url", url.as_str()), ("maxResponseBodySize", "0")];
    let unbounded = open("bindings.http", &unbounded).await.unwrap();
    let large = [("path", "large")];
    let whole = invoke(&unbounded, "get", "", &large).await.unwrap().unwrap();
    assert_eq!(whole.data.len(), 100_000);
    let bounded = [("url", url.as_str()), ("maxResponseBodySize", "1k")];
    let bounded = open("bindings.http", &bounded).await.unwrap();
    assert_eq!(invoke(&bounded, "get", "", &large).await.unwrap().unwrap().data.len(), 1000);
}

#[tokio::test]
async fn a_server_that_is_not_there_and_a_header_that_is_none_are_told() {
    let (_socket, address) = reserved();
    let binding = open("bindings.http", &[("url", &format!("http://{address}"))]).await.unwrap();
    let error = invoke(&binding, "delete", "", &[]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("Delete \"http://{address}/\": ")), "{error}");
    assert!(error.to_lowercase().contains("connection refused"), "{error}");
    let error = invoke(&binding, "get", "", &[("A b", "c")]).await.unwrap_err().to_string();
    assert_eq!(error, "invalid header field name \"A b\"");
}

#[tokio::test]
async fn a_url_that_is_none_fails_calls_and_not_the_binding() {
    for (url, path, says) in [
        ("", "", "Get \"\": unsupported protocol scheme \"\""),
        ("localhost", "a", "Get \"localhost/a\": unsupported protocol scheme \"\""),
        ("ftp://host/a", "", "Get \"ftp://host/a\": unsupported protocol scheme \"ftp\""),
    ] {
        let binding = open("bindings.http", &[("url", url)]).await.unwrap();
        let error = invoke(&binding, "get", "", &[("path", path)]).await.unwrap_err().to_string();
        assert_eq!(error, says);
    }
}

#[tokio::test]
async fn over_tls_the_given_root_is_trusted_and_nobody_else() {
    if !has_openssl() {
        return;
    }
    let certificate = Certificate::new("127.0.0.1");
    let (listener, tls) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor(&certificate));
    let server = HttpApplication::serve(listener, Some(tls), tell);
    let url = format!("https://{}", server.address);
    let (root, cert, key) = (certificate.authority(), certificate.certificate(), certificate.key());
    let stranger = open("bindings.http", &[("url", &url)]).await.unwrap();
    let error = invoke(&stranger, "get", "", &[]).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    // Without a certificate of its own, and then with a root that is the PEM itself.
    let nobody = open("bindings.http", &[("url", &url), ("MTLSRootCA", &root)]).await.unwrap();
    assert!(invoke(&nobody, "get", "", &[]).await.is_err());
    let pem = std::fs::read_to_string(&root).unwrap();
    let settings = [
        ("url", url.as_str()),
        ("MTLSRootCA", &pem),
        ("MTLSClientCert", &cert),
        ("MTLSClientKey", &key),
        ("MTLSRenegotiation", "RenegotiateNever"),
    ];
    let binding = open("bindings.http", &settings).await.unwrap();
    let answer = invoke(&binding, "post", "hello", &[]).await.unwrap().unwrap();
    let told = String::from_utf8(answer.data.to_vec()).unwrap();
    assert!(told.contains(" HTTP/2.0 ") && told.ends_with(" hello"), "{told}");
    assert_eq!(answer.metadata["status"], "201 Created");
}

/// Takes connections over HTTP/2 of clients that show a certificate of the same authority.
fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.authority()).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = vec![CertificateDer::from_pem_file(certificate.certificate()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
