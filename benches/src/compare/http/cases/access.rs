//! Who may ask what: API tokens, origins of browsers, an application that is not there.

use super::usual;
use crate::compare::http::call::Group;

/// A group for each way to start.
pub(super) fn groups() -> Vec<Group> {
    vec![
        token(),
        origins("origins", "https://one.example,https://two.example"),
        origins("any origin", "*"),
        alone(),
    ]
}

/// With an API token.
fn token() -> Group {
    let mut g = Group::new(usual("token").variable("DAPR_API_TOKEN", "sesame"));
    for field in [
        "dapr-api-token: sesame",
        "Dapr-Api-Token: sesame",
        "dapr-api-token: wrong",
        "dapr-api-token:",
        "Authorization: Bearer sesame",
        "X-None: 1",
    ] {
        for path in [
            "/v1.0/metadata",
            "/v1.0/healthz",
            "/v1.0/healthz/outbound",
            "/v1.0/state/memory/a",
            "/v1.0/nothing",
            "/v1.0/metadata?dapr-api-token=sesame",
        ] {
            g.send("GET", path, &[field], "");
        }
        g.send("POST", "/v1.0/publish/bus/t", &[field], "1");
        g.send("OPTIONS", "/v1.0/metadata", &[field], "");
    }
    g.send("GET", "/v1.0/metadata", &["dapr-api-token: wrong", "dapr-api-token: sesame"], "");
    g.send("GET", "/v1.0/metadata", &["dapr-api-token: sesame", "dapr-api-token: wrong"], "");
    g
}

/// With origins that browsers' pages may come from.
fn origins(name: &'static str, allowed: &'static str) -> Group {
    let mut g = Group::new(usual(name).flag("--allowed-origins").flag(allowed));
    for origin in
        ["https://one.example", "https://TWO.example", "https://three.example", "null", ""]
    {
        let origin = format!("Origin: {origin}");
        g.send("GET", "/v1.0/metadata/", &[&origin], "");
        g.send("GET", "/v1.0/healthz", &[&origin], "");
        g.send("GET", "/v1.0/nothing", &[&origin], "");
        g.send("OPTIONS", "/v1.0/healthz", &[&origin], "");
        for method in ["GET", "POST", "DELETE", "PATCH", "TRACE", "get", ""] {
            let asked = format!("Access-Control-Request-Method: {method}");
            g.send("OPTIONS", "/v1.0/state/memory", &[&origin, &asked], "");
        }
        for fields in ["content-type", "X-One, dapr-api-token", "authorization", ""] {
            let asked = format!("Access-Control-Request-Headers: {fields}");
            let method = "Access-Control-Request-Method: POST";
            g.send("OPTIONS", "/v1.0/state/memory", &[&origin, method, &asked], "");
        }
    }
    g.send("OPTIONS", "/v1.0/state/memory", &["Access-Control-Request-Method: GET"], "");
    g
}

/// Without an application.
fn alone() -> Group {
    let mut g = Group::new(usual("alone").without_application());
    g.get("/v1.0/metadata");
    g.get("/v1.0/healthz");
    g.get("/v1.0/healthz/outbound");
    g.get("/v1.0/healthz?appid=compared");
    g.get("/v1.0/healthz?appid=other");
    g.post("/v1.0/publish/bus/t", "{}");
    g
}
