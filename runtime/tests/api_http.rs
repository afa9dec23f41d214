//! Dapr's API over HTTP: statuses, bodies and headers as clients of Dapr know them.

mod support;

use support::{APP_ID, Api, plain};

use replug_runtime::api::{Phase, ShutdownRequest};

const STATE: &str = "/v1.0/state/mem";

#[tokio::test]
async fn what_is_saved_is_got_with_its_etag() {
    let api = Api::start().await;
    let saved = api.http("POST", STATE, r#"[{"key":"k","value":{"b":1.0,"a":"<x>"}}]"#).await;
    assert_eq!((saved.status, saved.body.as_str()), (204, ""));
    assert_eq!(saved.header("Content-Type"), None);

    let got = api.http("GET", "/v1.0//state/./mem/k/", "").await;
    assert_eq!((got.status, got.body.as_str()), (200, r#"{"a":"\u003cx\u003e","b":1}"#));
    assert_eq!(got.header("Content-Type"), Some("application/json"));
    // Written as Go writes it.
    assert!(got.header("Etag").is_some(), "{got:?}");

    let missing = api.http("GET", "/v1.0/state/mem/none", "").await;
    assert_eq!((missing.status, missing.body.as_str()), (204, ""));
}

#[tokio::test]
async fn bodies_of_a_save_are_read_leniently_and_strictly_as_dapr_does() {
    let api = Api::start().await;
    let cases = [
        ("[]", 204, String::new()),
        ("null", 204, String::new()),
        (r#"[{"KEY":"a","Value":null,"more":1}] trailing"#, 204, String::new()),
        ("", 400, plain("ERR_MALFORMED_REQUEST", "EOF")),
        (r#"[{"value":1}]"#, 400, plain("ERR_MALFORMED_REQUEST", "\"key\" is a required field")),
        (
            r#"[{"key":1}]"#,
            400,
            plain(
                "ERR_MALFORMED_REQUEST",
                "json: cannot unmarshal number into Go struct field SetRequest.key of type string",
            ),
        ),
    ];
    for (body, status, expected) in cases {
        for method in ["POST", "PUT"] {
            let answer = api.http(method, STATE, body).await;
            assert_eq!((answer.status, answer.body.as_str()), (status, &*expected), "{body}");
        }
    }
    assert_eq!(api.http("GET", "/v1.0/state/mem/a", "").await.body, "null");
}

#[tokio::test]
async fn keys_are_unescaped_after_the_path_is_cleaned() {
    let api = Api::start().await;
    api.http("POST", STATE, r#"[{"key":"a b/c","value":"v"}]"#).await;
    assert_eq!(api.http("GET", "/v1.0/state/mem/a+b%2Fc", "").await.body, "\"v\"");
    let bad = api.http("GET", "/v1.0/state/mem/%zz", "").await;
    assert_eq!(bad.status, 400);
    assert!(bad.header("Content-Type").unwrap().starts_with("text/plain"), "{bad:?}");
}

#[tokio::test]
async fn an_etag_that_is_stale_is_a_conflict_and_an_invalid_one_a_bad_request() {
    let api = Api::start().await;
    api.http("POST", STATE, r#"[{"key":"k","value":1}]"#).await;
    let stale = r#"[{"key":"k","value":2,"etag":"77"}]"#;
    let answer = api.http("POST", STATE, stale).await;
    assert_eq!(answer.status, 409);
    let told = answer.json();
    assert_eq!(told["errorCode"], "ERR_STATE_SAVE");
    let message = told["message"].as_str().unwrap();
    let begins = "failed saving state in state store mem: possible etag mismatch. error from \
                  state store: ";
    assert!(message.starts_with(begins), "{message}");
    assert_eq!(told.get("details"), None);

    let answer = api.http_with("DELETE", "/v1.0/state/mem/k", &["If-Match: 77"], "").await;
    assert_eq!(
        (answer.status, answer.json()["errorCode"].as_str()),
        (409, Some("ERR_STATE_DELETE"))
    );
    let etag = api.http("GET", "/v1.0/state/mem/k", "").await;
    let matching = format!("If-Match: {}", etag.header("Etag").unwrap());
    let answer = api.http_with("DELETE", "/v1.0/state/mem/k", &[&matching], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(api.http("DELETE", "/v1.0/state/mem/k", "").await.status, 204);
}

#[tokio::test]
async fn errors_have_the_details_of_dapr_in_its_order() {
    let api = Api::start().await;
    let told = api.http("GET", "/v1.0/state/nope/k", "").await;
    assert_eq!(told.status, 400);
    assert_eq!(
        told.body,
        format!(
            r#"{{"errorCode":"ERR_STATE_STORE_NOT_FOUND","message":"state store nope is not found","details":[{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{{"appID":"{APP_ID}"}},"reason":"DAPR_STATE_NOT_FOUND"}}]}}"#
        )
    );

    let told = api.http("GET", "/v1.0/state/mem/a%7C%7Cb", "").await;
    assert_eq!(told.status, 400);
    let message =
        "api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'";
    assert_eq!(
        told.json(),
        serde_json::json!({
            "errorCode": "ERR_MALFORMED_REQUEST",
            "message": message,
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "field_violations": [{ "field": "a||b", "description": message }],
                },
                {
                    "@type": "type.googleapis.com/google.rpc.ResourceInfo",
                    "resource_type": "state",
                    "resource_name": "mem",
                    "owner": "",
                    "description": "",
                },
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "domain": "dapr.io",
                    "metadata": null,
                    "reason": "DAPR_STATE_ILLEGAL_KEY",
                },
            ],
        })
    );
    let body = r#"{"operations":[{"operation":"delete","request":{"key":"a||b"}}]}"#;
    let told = api.http("POST", "/v1.0/state/mem/transaction", body).await.json();
    let violation = &told["details"][0]["field_violations"][0];
    assert_eq!(violation, &serde_json::json!({ "description": message }));
}

#[tokio::test]
async fn no_store_at_all_is_told_from_an_unknown_one() {
    let registry = std::sync::Arc::new(replug_runtime::registry::Registry::new(APP_ID, ""));
    let api = Api::serve(registry, support::settings()).await;
    let told = api.http("GET", "/v1.0/state/mem/k", "").await;
    assert_eq!(told.status, 500);
    assert_eq!(told.json()["errorCode"], "ERR_STATE_STORE_NOT_CONFIGURED");
    assert_eq!(told.json()["message"], "state store mem is not configured");
}

#[tokio::test]
async fn a_bulk_get_answers_for_every_key() {
    let api = Api::start().await;
    api.http("POST", STATE, r#"[{"key":"a","value":{"n": 1}},{"key":"b","value":"x"}]"#).await;
    let bulk = "/v1.0/state/mem/bulk";
    let told = api.http("POST", bulk, r#"{"keys":["a","none","b"],"parallelism":10}"#).await;
    assert_eq!(told.status, 200);
    let items = told.json();
    assert_eq!(items[0]["key"], "a");
    assert_eq!(items[0]["data"], serde_json::json!({ "n": 1 }));
    assert!(items[0]["etag"].is_string());
    assert_eq!(items[1], serde_json::json!({ "key": "none" }));
    assert_eq!(items[2]["data"], "x");

    assert_eq!(api.http("POST", bulk, "{}").await.body, "[]\n");
    let told = api.http("POST", bulk, "").await;
    let expected = plain("ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: EOF");
    assert_eq!((told.status, told.body), (400, expected));
}

#[tokio::test]
async fn a_transaction_happens_whole_or_not_at_all() {
    let api = Api::start().await;
    let transaction = "/v1.0/state/mem/transaction";
    api.http("POST", STATE, r#"[{"key":"old","value":1}]"#).await;
    let both = r#"{"operations":[
        {"operation":"upsert","request":{"key":"new","value":2}},
        {"operation":"delete","request":{"key":"old"}}]}"#;
    assert_eq!(api.http("POST", transaction, both).await.status, 204);
    assert_eq!(api.http("GET", "/v1.0/state/mem/new", "").await.body, "2");
    assert_eq!(api.http("GET", "/v1.0/state/mem/old", "").await.status, 204);

    let stale = r#"{"operations":[
        {"operation":"upsert","request":{"key":"other","value":3}},
        {"operation":"upsert","request":{"key":"new","value":3,"etag":"77"}}]}"#;
    let told = api.http("POST", transaction, stale).await;
    assert_eq!(
        (told.status, told.json()["errorCode"].as_str()),
        (500, Some("ERR_STATE_TRANSACTION"))
    );
    assert_eq!(api.http("GET", "/v1.0/state/mem/other", "").await.status, 204);

    let cases = [
        ("{}", 204, ""),
        ("", 400, "ERR_MALFORMED_REQUEST"),
        (
            r#"{"operations":[{"operation":"Upsert","request":{}}]}"#,
            400,
            "ERR_NOT_SUPPORTED_STATE_OPERATION",
        ),
        (
            r#"{"operations":[{"operation":"upsert","request":{"key":"k","etag":1}}]}"#,
            400,
            "ERR_MALFORMED_REQUEST",
        ),
    ];
    for (body, status, code) in cases {
        let told = api.http("POST", transaction, body).await;
        assert_eq!(told.status, status, "{body}");
        assert!(code.is_empty() || told.json()["errorCode"] == code, "{body}");
    }
}

#[tokio::test]
async fn metadata_of_the_url_overrides_that_of_the_item() {
    let api = Api::start().await;
    let body = r#"[{"key":"k","value":1,"metadata":{"ttlInSeconds":"never"}}]"#;
    assert_eq!(api.http("POST", STATE, body).await.status, 500);
    let saved = api.http("POST", "/v1.0/state/mem?metadata.ttlInSeconds=100", body).await;
    assert_eq!(saved.status, 204, "{saved:?}");
    let got = api.http("GET", "/v1.0/state/mem/k", "").await;
    assert!(got.header("Metadata.ttlexpiretime").is_some(), "{got:?}");
}

#[tokio::test]
async fn a_query_answers_with_keys_as_applications_know_them() {
    let api = Api::start().await;
    let query = "/v1.0-alpha1/state/mem/query";
    let body = r#"[{"key":"a","value":{"n":1,"s":"<"}},{"key":"b","value":{"n":2}}]"#;
    api.http("POST", STATE, body).await;
    let found = api.http("POST", query, r#"{"filter":{"EQ":{"n":1}}}"#).await;
    assert_eq!(found.status, 200);
    assert!(found.body.contains(r#"{"key":"a","data":{"n":1,"s":"\u003c"},"etag":"#), "{found:?}");
    assert_eq!(found.json()["results"].as_array().unwrap().len(), 1);
    assert_eq!(api.http("POST", query, r#"{"filter":{"EQ":{"n":3}}}"#).await.status, 204);
    for wrong in ["", "{", r#"{"filter":{"NEAR":{"n":3}}}"#] {
        let told = api.http("POST", query, wrong).await;
        assert_eq!(told.status, 500, "{wrong}");
        let told = told.json();
        assert_eq!(told["errorCode"], "ERR_STATE_QUERY");
        assert!(told["message"].as_str().unwrap().starts_with("state store mem query failed: "));
        assert_eq!(told["details"][1]["reason"], "DAPR_STATE_QUERY_FAILED");
    }
}

#[tokio::test]
async fn paths_that_are_no_routes_are_invocations_without_an_application() {
    let api = Api::start().await;
    let message = "failed getting app id either from the URL path or the header dapr-app-id";
    for (method, path) in
        [("GET", "/"), ("PATCH", STATE), ("GET", "/v1.0/state"), ("POST", "/v2.0/state/mem")]
    {
        let told = api.http(method, path, "").await;
        assert_eq!((told.status, told.body), (404, plain("ERR_DIRECT_INVOKE", message)), "{path}");
    }
    let not_yet = plain("ERR_API_UNIMPLEMENTED", "this API is currently not implemented");
    let told = api.http("POST", "/v1.0-alpha1/lock/p", "").await;
    assert_eq!((told.status, &told.body), (501, &not_yet));
    let told = api.http_with("GET", "/orders", &["dapr-app-id: other"], "").await;
    assert_eq!((told.status, &told.body), (501, &not_yet));
}

#[tokio::test]
async fn the_metadata_api_shows_components_and_what_was_written_down() {
    let api = Api::start().await;
    assert_eq!(api.http("PUT", "/v1.0/metadata/cliPID", "123").await.status, 204);
    assert_eq!(api.http("PUT", "/v1.0/metadata/empty", "").await.status, 204);
    let told = api.http("GET", "/v1.0/metadata", "").await;
    assert_eq!(told.status, 200);
    assert!(
        told.body.starts_with(r#"{"id":"shop","runtimeVersion":"0.1.0","components":["#),
        "{told:?}"
    );
    assert!(told.body.ends_with("}\n"), "{told:?}");
    let told = told.json();
    let mem = &told["components"][0];
    assert_eq!(
        (&mem["name"], &mem["type"], &mem["version"]),
        (&"mem".into(), &"state.in-memory".into(), &"v1".into())
    );
    let capabilities: Vec<_> = mem["capabilities"].as_array().unwrap().iter().collect();
    let daprs = ["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE", "ACTOR"];
    assert_eq!(capabilities, daprs);
    assert_eq!(told["components"][1].get("capabilities"), None);
    assert_eq!(
        told["extended"],
        serde_json::json!({ "cliPID": "123", "empty": "", "daprRuntimeVersion": "0.1.0" })
    );
    assert_eq!(
        told["appConnectionProperties"],
        serde_json::json!({ "protocol": "http", "channelAddress": "127.0.0.1" })
    );
    assert_eq!(
        told["actorRuntime"],
        serde_json::json!({
            "runtimeStatus": "DISABLED", "hostReady": false, "placement": "placement: disconnected",
        })
    );
    for absent in ["enabledFeatures", "actors", "subscriptions", "scheduler", "workflows"] {
        assert_eq!(told.get(absent), None);
    }
}

#[tokio::test]
async fn health_follows_the_runtime() {
    let registry = std::sync::Arc::new(replug_runtime::registry::Registry::new(APP_ID, ""));
    let api = Api::serve(registry, support::settings()).await;
    let (healthz, outbound) = ("/v1.0/healthz", "/v1.0/healthz/outbound");
    let not_ready = plain("ERR_HEALTH_NOT_READY", "dapr is not ready: [runtime]");

    let told = api.http("GET", healthz, "").await;
    assert_eq!((told.status, &told.body), (500, &not_ready));
    let told = api.http("GET", outbound, "").await;
    let expected = plain("ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready");
    assert_eq!((told.status, told.body), (500, expected));

    api.health.reached(Phase::OutboundReady);
    assert_eq!(api.http("GET", healthz, "").await.body, not_ready);
    assert_eq!(api.http("GET", outbound, "").await.status, 204);

    api.health.reached(Phase::Ready);
    assert_eq!(api.http("GET", healthz, "").await.status, 204);
    assert_eq!(api.http("GET", "/v1.0/healthz?appid=shop", "").await.status, 204);
    let told = api.http("GET", "/v1.0/healthz?appid=other", "").await;
    let expected = plain("ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
    assert_eq!((told.status, told.body), (500, expected));

    api.health.reached(Phase::Stopping);
    assert_eq!(api.http("GET", healthz, "").await.status, 500);
    assert_eq!(api.http("GET", outbound, "").await.status, 204);
}

#[tokio::test]
async fn shutdown_is_passed_on() {
    let mut api = Api::start().await;
    assert_eq!(api.http("POST", "/v1.0/shutdown", "").await.status, 204);
    assert_eq!(api.shutdowns.recv().await, Some(ShutdownRequest::Graceful));
    let forced = &["Dapr-Force-Shutdown: TRUE"];
    assert_eq!(api.http_with("POST", "/v1.0/shutdown", forced, "").await.status, 204);
    assert_eq!(api.shutdowns.recv().await, Some(ShutdownRequest::AtOnce));
    // Nothing stops by itself.
    assert_eq!(api.http("GET", "/v1.0/healthz", "").await.status, 204);
}
