//! What Dapr's API over HTTP refuses, and in which words: those of its stores, and those of Go's server.

mod support;

use replug_runtime::api::ApiToken;
use support::{APP_ID, Api, plain};

const STATE: &str = "/v1.0/state/mem";

#[tokio::test]
async fn an_etag_and_what_is_said_of_a_stale_one_are_those_of_daprs_store() {
    let api = Api::start().await;
    api.http("POST", STATE, r#"[{"key":"k","value":1}]"#).await;
    let got = api.http("GET", "/v1.0/state/mem/k", "").await;
    let etag = got.header("Etag").unwrap();
    assert_eq!(etag.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{etag}");
    let (save, twice) = (
        "failed saving state in state store mem: ",
        "possible etag mismatch. error from state store: ",
    );
    let stale = format!("state etag not match for key={APP_ID}||k: current={etag}, expect=x");
    let first = r#""options":{"concurrency":"first-write"}"#;
    let exists = "item already exists and no etag was passed";
    for (body, told) in [
        (r#"[{"key":"k","value":2,"etag":"x"}]"#.to_owned(), format!("{save}{twice}{stale}")),
        (
            r#"[{"key":"a","value":2},{"key":"k","value":2,"etag":"x"}]"#.to_owned(),
            format!("{save}{twice}{twice}{stale}"),
        ),
        (
            r#"[{"key":"none","value":2,"etag":"x"}]"#.to_owned(),
            format!("{save}{twice}state not exist or expired for key={APP_ID}||none"),
        ),
        (format!(r#"[{{"key":"k","value":2,{first}}}]"#), format!("{save}{twice}{exists}")),
    ] {
        let answer = api.http("POST", STATE, &body).await;
        assert_eq!((answer.status, answer.body), (409, plain("ERR_STATE_SAVE", &told)), "{body}");
    }
}

#[tokio::test]
async fn options_that_are_none_are_refused_as_daprs_store_refuses_them() {
    let api = Api::start().await;
    let one = |options: &str| format!(r#"[{{"key":"k","value":1,"options":{{{options}}}}}]"#);
    let two = |options: &str| {
        format!(r#"[{{"key":"a","value":1}},{{"key":"k","value":1,"options":{{{options}}}}}]"#)
    };
    let part = |options: &str| {
        format!(
            r#"{{"operations":[{{"operation":"upsert","request":{{"key":"k","value":1,"options":{{{options}}}}}}}]}}"#
        )
    };
    let save = "failed saving state in state store mem: ";
    let concurrency = "unrecognized concurrency model 'x'";
    for (path, body, told) in [
        (
            STATE,
            one(r#""concurrency":"x""#),
            plain("ERR_STATE_SAVE", &format!("{save}{concurrency}")),
        ),
        (
            STATE,
            two(r#""concurrency":"x""#),
            plain("ERR_STATE_SAVE", &format!("{save}{concurrency}")),
        ),
        (
            STATE,
            one(r#""concurrency":"x","consistency":"y""#),
            plain("ERR_STATE_SAVE", &format!("{save}unrecognized consistency model 'y'")),
        ),
        (
            "/v1.0/state/mem/transaction",
            part(r#""concurrency":"x""#),
            plain(
                "ERR_STATE_TRANSACTION",
                &format!("error while executing state transaction: {concurrency}"),
            ),
        ),
    ] {
        let answer = api.http("POST", path, &body).await;
        assert_eq!((answer.status, answer.body), (500, told), "{body}");
    }
    // The other value of a save is stored all the same.
    assert_eq!(api.http("GET", "/v1.0/state/mem/a", "").await.status, 200);
    assert_eq!(api.http("GET", "/v1.0/state/mem/k", "").await.status, 204);
    let deleted = api.http("DELETE", "/v1.0/state/mem/a?concurrency=x", "").await;
    let told = format!("failed deleting state with key a: {concurrency}");
    assert_eq!((deleted.status, deleted.body), (500, plain("ERR_STATE_DELETE", &told)));
    // A read may ask for what it likes, and a word that is empty is none.
    assert_eq!(api.http("GET", "/v1.0/state/mem/a?consistency=x", "").await.status, 200);
    assert_eq!(api.http("POST", STATE, &one(r#""concurrency":"""#)).await.status, 204);
}

#[tokio::test]
async fn heads_are_refused_with_the_line_that_dapr_has() {
    let api = Api::start().await;
    let line = "GET /v1.0/healthz/outbound HTTP/1.1";
    let long = format!("Host: x\r\nX-Long: {}", "a".repeat(70_000));
    let version = "505 HTTP Version Not Supported: unsupported protocol version";
    for (line, fields, status, body) in [
        (line, "X: y", 400, "400 Bad Request: missing required Host header"),
        (line, "Host: a\r\nHost: b", 400, "400 Bad Request"),
        (line, "Host: a b", 400, "400 Bad Request: malformed Host header"),
        (line, "Host: a\r\nno colon", 400, "400 Bad Request"),
        ("GET /%zz HTTP/1.1", "Host: a", 400, "400 Bad Request"),
        (line, "Host: a\r\nTransfer-Encoding: gzip, chunked", 501, "Unsupported transfer encoding"),
        (line, "Host: a\r\nTransfer-Encoding: gzip", 501, "Unsupported transfer encoding"),
        (line, "Host: a\r\nX Y: z", 400, "400 Bad Request: invalid header name"),
        (line, "Host: a\r\n b", 400, "400 Bad Request: malformed Host header"),
        ("GET / HTTP/2.0", "Host: a", 505, version),
        (line, "Host: a\r\nExpect: other", 417, ""),
        (line, long.as_str(), 431, "431 Request Header Fields Too Large"),
    ] {
        let request = format!("{line}\r\n{fields}\r\n\r\n");
        let told = support::parsed(&api.raw(request.as_bytes()).await);
        assert_eq!((told.status, told.body.as_str()), (status, body), "{line} {fields:.40}");
        assert_eq!(told.header("Connection"), Some("close"), "{line} {fields:.40}");
        assert_eq!(told.header("Traceparent"), None, "{line} {fields:.40}");
    }
}

#[tokio::test]
async fn a_head_may_have_hundreds_of_fields() {
    let api = Api::start().await;
    let fields = "X-Y: 1\r\n".repeat(500);
    let request =
        format!("GET /v1.0/healthz HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
    assert_eq!(support::parsed(&api.raw(request.as_bytes()).await).status, 204);
}

#[tokio::test]
async fn a_body_in_chunks_that_are_none_is_told_in_gos_words() {
    let api = Api::start().await;
    let head = "POST /v1.0/state/mem HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, told) in [
        ("1\r\n[]\r\n0\r\n\r\n", "malformed chunked encoding"),
        ("zz\r\n[]\r\n0\r\n\r\n", "invalid byte in chunk length"),
    ] {
        let answer = support::parsed(&api.raw(format!("{head}{chunks}").as_bytes()).await);
        assert_eq!((answer.status, answer.body), (400, plain("ERR_MALFORMED_REQUEST", told)));
    }
}

#[tokio::test]
async fn a_delete_within_a_transaction_may_have_options_that_are_none() {
    let api = Api::start().await;
    let body = r#"{"operations":[{"operation":"delete","request":{"key":"k","options":{"concurrency":"x"}}}]}"#;
    assert_eq!(api.http("POST", "/v1.0/state/mem/transaction", body).await.status, 204);
}

#[tokio::test]
async fn another_origin_is_told_what_it_may_ask_in_the_spelling_of_headers() {
    let api = Api::start_with(|mut settings| {
        settings.cors = vec!["http://shop.test".to_owned()];
        settings
    })
    .await;
    let preflight = |origin: &'static str| {
        let fields = [
            origin,
            "Access-Control-Request-Method: put",
            "Access-Control-Request-Headers: x-one,CONTENT-type",
        ];
        let api = &api;
        async move { api.http_with("OPTIONS", "/v1.0/state/mem", &fields, "").await }
    };
    let told = preflight("Origin: http://shop.test").await;
    assert_eq!(told.header("Access-Control-Allow-Origin"), Some("http://shop.test"));
    assert_eq!(told.header("Access-Control-Allow-Methods"), Some("PUT"));
    assert_eq!(told.header("Access-Control-Allow-Headers"), Some("X-One, Content-Type"));
    let told = preflight("Origin: http://elsewhere.test").await;
    assert_eq!(told.header("Access-Control-Allow-Origin"), None);
}

#[tokio::test]
async fn a_body_over_the_limit_is_the_routes_own_error() {
    let api = Api::start_with(|mut settings| {
        settings.max_body = 64;
        settings
    })
    .await;
    let large = format!("[{{\"key\":\"k\",\"value\":\"{}\"}}]", "x".repeat(64));
    let cases = [
        (STATE, "POST", "ERR_MALFORMED_REQUEST", "stream too large"),
        (
            "/v1.0/state/mem/bulk",
            "POST",
            "ERR_MALFORMED_REQUEST",
            "failed deserializing HTTP body: stream too large",
        ),
        (
            "/v1.0-alpha1/state/mem/query",
            "POST",
            "ERR_BODY_READ",
            "failed to read request body: stream too large",
        ),
        (
            "/v1.0/metadata/k",
            "PUT",
            "ERR_BODY_READ",
            "failed to read request body: stream too large",
        ),
    ];
    for (path, method, code, message) in cases {
        let told = api.http(method, path, &large).await;
        assert_eq!((told.status, told.body), (400, plain(code, message)), "{path}");
    }
}

#[tokio::test]
async fn a_connection_ends_with_a_request_that_has_too_much_of_its_body_left() {
    let api = Api::start_with(|mut settings| {
        settings.max_body = 64;
        settings
    })
    .await;
    let save = |length: usize| {
        let body = format!("[{{\"key\":\"k\",\"value\":\"{}\"}}]", "x".repeat(length));
        format!("POST {STATE} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let last = "GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (length, answers) in [(100_000, 2), (1_000_000, 1)] {
        let told = api.raw(format!("{}{last}", save(length)).as_bytes()).await;
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told.matches("HTTP/1.1 ").count(), answers, "{told}");
        assert!(told.contains("stream too large"), "{told}");
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let api = Api::start().await;
    let fits = format!("X: {}", "x".repeat(7_000));
    assert_eq!(api.http_with("GET", "/v1.0/healthz", &[&fits], "").await.status, 204);
    let large = format!("X: {}", "x".repeat(9_000));
    assert_eq!(api.http_with("GET", "/v1.0/healthz", &[&large], "").await.status, 431);
}

#[tokio::test]
async fn the_token_is_asked_for_except_by_health_checks() {
    let api = Api::start_with(|mut settings| {
        settings.token = ApiToken::new("secret");
        settings
    })
    .await;
    for headers in [&[][..], &["dapr-api-token: wrong"][..]] {
        let told = api.http_with("GET", "/v1.0/metadata", headers, "").await;
        assert_eq!((told.status, told.body.as_str()), (401, "invalid api token\n"));
        assert!(told.header("Content-Type").unwrap().starts_with("text/plain"));
        assert_eq!(told.header("X-Content-Type-Options"), Some("nosniff"));
    }
    let told = api.http_with("GET", "/v1.0/metadata", &["Dapr-Api-Token: secret"], "").await;
    assert_eq!(told.status, 200);
    for path in ["/v1.0/healthz", "/v1.0/healthz/outbound"] {
        assert_eq!(api.http("GET", path, "").await.status, 204);
    }
}
