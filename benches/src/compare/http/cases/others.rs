//! Bindings, secrets, metadata, health, and the end.

use super::usual;
use crate::compare::http::call::Group;

/// Output bindings: an HTTP service, files, and those that are none.
#[rustfmt::skip] // Tables.
pub(super) fn bindings() -> Group {
    let mut g = Group::new(usual("bindings"));
    for name in ["web", "files", "yearly", "nobody", "memory", "a%20b", "web/", "web/x", ""] {
        for body in [
            "", "{}", "null", "[]", "1", "{", r#"{"operation":""}"#, r#"{"operation":1}"#, r#"{"operation":"none"}"#,
            r#"{"operation":"get"}"#, r#"{"data":"x"}"#, r#"{"operation":"create","data":"x"}"#,
            r#"{"operation":"post","data":{"a":1},"metadata":{"path":"/echo"}}"#,
            r#"{"operation":"get","metadata":{"a":1}}"#, r#"{"operation":"get","metadata":5}"#,
        ] {
            g.post(&format!("/v1.0/bindings/{name}"), body);
        }
    }
    for method in ["PUT", "GET", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        g.send(method, "/v1.0/bindings/web", &[], r#"{"operation":"get"}"#);
    }
    let web = "/v1.0/bindings/web";
    for metadata in [
        r#""path":"/status/404""#, r#""path":"/status/500""#, r#""path":"/status/204""#, r#""path":"/status/201""#,
        r#""path":"/status/500","errorIfNot2XX":"false""#, r#""path":"/status/500","errorIfNot2XX":"x""#,
        r#""path":"/a b""#, r#""path":"no-slash""#, r#""path":"/x","X-Field":"v","Content-Type":"text/csv""#,
        r#""path":"/x","url":"http://127.0.0.1:1/""#, r#""path":"/../up""#, r#""path":"/x?y=z""#,
    ] {
        for operation in ["get", "post", "create", "put", "delete", "patch", "head", "options", "trace", "GET"] {
            g.post(web, format!(r#"{{"operation":"{operation}","data":"body","metadata":{{{metadata}}}}}"#));
        }
    }
    g.send("POST", web, &["Content-Type: application/json", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b"], r#"{"operation":"get"}"#);
    let files = "/v1.0/bindings/files";
    for metadata in [
        r#""fileName":"one.txt""#, r#""fileName":"sub/two.txt""#, r#""fileName":"../three.txt""#,
        r#""fileName":"/four.txt""#, r#""fileName":"""#, r#""fileName":"no""#, r#""fileName":".""#, r#""other":"x""#,
    ] {
        for operation in ["create", "get", "list", "delete"] {
            g.post(files, format!(r#"{{"operation":"{operation}","data":"body","metadata":{{{metadata}}}}}"#));
        }
        g.post(files, format!(r#"{{"operation":"get","metadata":{{{metadata}}}}}"#));
        g.post(files, format!(r#"{{"operation":"create","data":{{"a": [1, 2]}},"metadata":{{{metadata}}}}}"#));
        g.post(files, format!(r#"{{"operation":"get","metadata":{{{metadata}}}}}"#));
    }
    g.post(files, r#"{"operation":"list"}"#);
    g.post(files, r#"{"operation":"create","data":"bm90","metadata":{"fileName":"b","decodeBase64":"true"}}"#);
    g
}

/// Secret stores.
#[rustfmt::skip] // Tables.
pub(super) fn secrets() -> Group {
    let setup = usual("secrets").variable("COMPARED_SECRET", "hidden").variable("DAPR_HOSTED", "x");
    let mut g = Group::new(setup);
    for store in ["vault", "environment", "nobody", "memory", ""] {
        for key in [
            "plain", "empty", "nested", "nested:inner", "nested:list", "nested:list:0", "a:b", "with%20space", "with+space",
            "%C3%BCn%C3%AF", "%3Ctag%3E", "number", "truth", "nothing", "COMPARED_SECRET", "compared_secret", "DAPR_HOSTED",
            "DAPR_API_TOKEN", "APP_API_TOKEN", "", "a/b", "a%2Fb", "plain?metadata.version_id=1", "plain/", "%zz", "bulk/",
        ] {
            g.get(&format!("/v1.0/secrets/{store}/{key}"));
        }
        for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
            g.send(method, &format!("/v1.0/secrets/{store}/plain"), &[], "");
        }
        if store != "environment" {
            g.get(&format!("/v1.0/secrets/{store}/bulk"));
            g.get(&format!("/v1.0/secrets/{store}/bulk?metadata.a=b"));
        }
        g.get(&format!("/v1.0/secrets/{store}"));
    }
    g
}

/// Secret stores whose secrets are not all for the application.
#[rustfmt::skip] // Tables.
pub(super) fn scopes() -> Group {
    let configuration = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec:\n  \
        secrets:\n    scopes:\n    - {storeName: vault, defaultAccess: deny, allowedSecrets: [plain]}\n    \
        - {storeName: environment, defaultAccess: allow, deniedSecrets: [COMPARED_SECRET]}\n";
    let mut g = Group::new(
        usual("secret scopes").file("config.yaml", configuration).variable("COMPARED_SECRET", "hidden"),
    );
    for path in ["vault/plain", "vault/empty", "vault/bulk", "vault/nothing", "environment/COMPARED_SECRET", "environment/compared_secret", "environment/NOTHING"] {
        g.get(&format!("/v1.0/secrets/{path}"));
    }
    g
}

/// What is told of the sidecar.
#[rustfmt::skip] // Tables.
pub(super) fn metadata() -> Group {
    let mut g = Group::new(usual("metadata"));
    for path in ["/v1.0/metadata", "/v1.0/metadata/", "/v1.0/metadata?x=y", "//v1.0/metadata", "/v1.0//metadata"] {
        g.get(path);
    }
    for (key, value) in [("a", "b"), ("a", "c"), ("daprRuntimeVersion", "x"), ("ü", "ü"), ("with%20space", "v"), ("empty", ""), ("a%2Fb", "s"), ("", "x"), ("a/b", "x"), ("lt", "<&>")] {
        g.send("PUT", &format!("/v1.0/metadata/{key}"), &["Content-Type: text/plain"], value);
        g.get("/v1.0/metadata");
    }
    g.send("PUT", "/v1.0/metadata/json", &["Content-Type: application/json"], "{\"a\":\"\\u00fc\"}");
    g.get("/v1.0/metadata");
    for method in ["POST", "DELETE", "HEAD", "OPTIONS", "PATCH"] {
        g.send(method, "/v1.0/metadata", &[], "");
        g.send(method, "/v1.0/metadata/a", &[], "");
        g.send(method, "/v1.0/healthz", &[], "");
        g.send(method, "/v1.0/healthz/outbound", &[], "");
    }
    for path in ["/v1.0/healthz", "/v1.0/healthz/", "/v1.0/healthz/outbound", "/v1.0/healthz/outbound/", "/v1.0/healthz/x", "/v1.0/healthz?appid=compared", "/v1.0/healthz?appid=other", "/v1.0/healthz?appid="] {
        g.get(path);
    }
    g.send("PUT", "/v1.0/metadata/raw", &[], [b'a', 0xff, b'b']);
    g.get("/v1.0/metadata?after=raw");
    g.send("PUT", "/v1.0/metadata/<", &["Content-Type: text/plain"], "<&>");
    g
}

/// The shutdown API.
#[rustfmt::skip] // Tables.
pub(super) fn shutdown() -> Group {
    let mut g = Group::new(usual("shutdown"));
    g.get("/v1.0/shutdown");
    g.send("PUT", "/v1.0/shutdown", &[], "");
    g.send("OPTIONS", "/v1.0/shutdown", &[], "");
    g.send("POST", "/v1.0/shutdown", &[], "");
    g.measured = false;
    g.ends = true;
    g
}
