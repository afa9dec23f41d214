//! HTTP itself: paths, methods, heads, bodies, trace headers, and what is none of these.

use super::usual;
use crate::compare::http::call::Group;

/// A trace.
const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Paths and methods that mean nothing.
#[rustfmt::skip] // Tables.
pub(super) fn routes() -> Group {
    let mut g = Group::new(usual("routes"));
    for path in [
        "/", "/nothing", "/v1.0", "/v1.0/", "/v1.0/nothing", "/v1.1/state/memory/a", "/v1.0-alpha1/state/memory/a",
        "/v1.0-beta1/metadata", "/V1.0/metadata", "/v1.0/STATE/memory/a", "/v1.0/state", "/v1.0/state/", "/v1.0/state/memory",
        "/v1.0/state/memory/a/b", "/v1.0/state//a", "//", "/./v1.0/metadata", "/v1.0/../v1.0/metadata", "/v1.0/%6detadata",
        "/v1.0/metadata%2F", "/v1.0/state/memory/%", "/v1.0/state/memory/%ff", "/v1.0/state/memory/a%", "/v1.0/state/memory/%2e%2e",
        "/v1.0/state/memory/..", "/v1.0/state/memory/.", "/v1.0/state/memory/a?", "/v1.0/state/memory/a?a=b?c=d", "/healthz",
        "/metrics", "/debug/pprof", "/favicon.ico", "/dapr/config", "/v1.0/state/memory/a#b", "/v1.0/state/%6demory/a", "/v1.0/subscribe",
        "http://localhost/v1.0/healthz", "http://other.example/v1.0/healthz", "*", "v1.0/healthz", "", "/v1.0/actors", "/v1.0/invoke",
    ] {
        g.get(path);
        g.send("POST", path, &[], "");
    }
    for method in ["get", "GETT", "CONNECT", "TRACE", "PRI", "PROPFIND", "G-T", "", "G T", "G\u{e4}T"] {
        g.send(method, "/v1.0/healthz", &[], "");
        g.send(method, "/v1.0/metadata", &[], "");
        g.send(method, "/nothing", &[], "");
    }
    g.send("GET", "/nothing", &["dapr-app-id:"], "");
    g
}

/// Heads that are none, too large, or say something twice.
#[rustfmt::skip] // Tables.
pub(super) fn heads() -> Group {
    let mut g = Group::new(usual("heads"));
    let line = "GET /v1.0/healthz/outbound HTTP/1.1\r\n";
    for (first, rest) in [
        (line, "\r\n"), (line, "Host:\r\n\r\n"), (line, "Host: a\r\nHost: b\r\n\r\n"), (line, "Host: a\r\nHost: a\r\n\r\n"),
        (line, "Host: a b\r\n\r\n"), (line, "Host: a/b\r\n\r\n"), (line, "Host: \u{fc}\r\n\r\n"), (line, "Host: a\r\n folded\r\n\r\n"),
        (line, "Host: a\r\nX-Y: a\r\n folded\r\n\r\n"), (line, "Host: a\r\nNo colon\r\n\r\n"), (line, "Host: a\r\n: none\r\n\r\n"),
        (line, "Host: a\r\nX Y: z\r\n\r\n"), (line, "Host: a\r\nX-Y : z\r\n\r\n"), (line, "Host: a\r\nX-\u{fc}: z\r\n\r\n"),
        (line, "Host: a\r\nX-Y: \u{fc}\r\n\r\n"), (line, "Host: a\r\nX-Y: a\0b\r\n\r\n"), (line, "Host: a\r\nX-Y: a\rb\r\n\r\n"),
        (line, "Host: a\r\nX-Y: a\u{7f}b\r\n\r\n"), (line, "Host: a\nX-Y: z\n\n"), (line, "Host: a\r\nContent-Length: x\r\n\r\n"),
        (line, "Host: a\r\nContent-Length: -1\r\n\r\n"), (line, "Host: a\r\nContent-Length: +1\r\n\r\na"),
        (line, "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), (line, "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        (line, "Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n"), (line, "Host: a\r\nContent-Length:\r\n\r\n"),
        (line, "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), (line, "Host: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (line, "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), (line, "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        (line, "Host: a\r\nExpect: 100-continue\r\n\r\n"), (line, "Host: a\r\nExpect: other\r\n\r\n"), (line, "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (line, "Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"),
        (line, "Host: a\r\nConnection: close\r\n\r\n"), (line, "Host: a\r\nConnection: keep-alive\r\n\r\n"), (line, "Host: a\r\nConnection: x\r\n\r\n"),
        ("GET /v1.0/healthz/outbound HTTP/1.0\r\n", "\r\n"), ("GET /v1.0/metadata HTTP/1.0\r\n", "Host: a\r\n\r\n"), ("GET /v1.0/healthz/outbound HTTP/1.0\r\n", "Connection: keep-alive\r\n\r\n"),
        ("GET /v1.0/healthz/outbound HTTP/1.2\r\n", "Host: a\r\n\r\n"), ("GET /v1.0/healthz/outbound HTTP/2.0\r\n", "Host: a\r\n\r\n"), ("GET /v1.0/healthz/outbound HTTP/3\r\n", "Host: a\r\n\r\n"),
        ("GET /v1.0/healthz/outbound\r\n", "\r\n"), ("GET  /v1.0/healthz/outbound HTTP/1.1\r\n", "Host: a\r\n\r\n"), ("GET /v1.0/healthz /outbound HTTP/1.1\r\n", "Host: a\r\n\r\n"),
        ("\r\nGET /v1.0/healthz/outbound HTTP/1.1\r\n", "Host: a\r\n\r\n"), ("GET\t/v1.0/healthz/outbound\tHTTP/1.1\r\n", "Host: a\r\n\r\n"), (" GET / HTTP/1.1\r\n", "Host: a\r\n\r\n"),
        ("GET / http/1.1\r\n", "Host: a\r\n\r\n"), ("GET /\u{fc} HTTP/1.1\r\n", "Host: a\r\n\r\n"), ("GET /a\u{7f} HTTP/1.1\r\n", "Host: a\r\n\r\n"), ("GET /a\0b HTTP/1.1\r\n", "Host: a\r\n\r\n"),
        ("nonsense\r\n", "\r\n"), ("\r\n", "\r\n"), ("GET\r\n", "\r\n"), ("\u{16}\u{3}\u{1}", "\r\n\r\n"), ("SSH-2.0-x\r\n", "\r\n"),
    ] {
        g.raw(format!("{first}{rest}"));
    }
    for length in [3_000, 4_000, 4_096, 8_000, 8_192, 9_000, 20_000, 70_000] {
        g.send("GET", "/v1.0/healthz/outbound", &[&format!("X-Long: {}", "a".repeat(length))], "");
        g.get(&format!("/v1.0/state/memory/{}", "k".repeat(length)));
        g.get(&format!("/v1.0/state/memory/k?q={}", "k".repeat(length)));
    }
    for count in [50, 90, 101, 150] {
        let fields: Vec<_> = (0..count).map(|at| format!("X-{at}: 1")).collect();
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        g.send("GET", "/v1.0/healthz/outbound", &fields, "");
    }
    g
}

/// Bodies that are too large, cut off, or in chunks.
#[rustfmt::skip] // Tables.
pub(super) fn bodies() -> Group {
    let mut g = Group::new(usual("bodies").flag("--max-body-size").flag("16Ki"));
    for length in [16_000, 16_384, 16_385, 20_000, 200_000] {
        let text = "a".repeat(length - 26);
        g.post("/v1.0/state/memory", format!(r#"[{{"key":"big","value":"{text}"}}]"#));
        g.post("/v1.0/state/memory/bulk", format!(r#"{{"keys":["{text}"]}}"#));
        g.post("/v1.0/state/memory/transaction", format!(r#"{{"operations":["{text}"]}}"#));
        g.post("/v1.0-alpha1/state/memory/query", format!(r#"{{"filter":"{text}"}}"#));
        g.post("/v1.0/publish/bus/t", format!(r#""{text}""#));
        g.post("/v1.0/publish/bulk/bus/t", format!(r#"["{text}"]"#));
        g.post("/v1.0/bindings/web", format!(r#"{{"operation":"{text}"}}"#));
        g.send("PUT", "/v1.0/metadata/big", &[], &text);
        g.send("GET", "/v1.0/healthz", &[], &text);
        g.send("GET", "/v1.0/state/memory/a", &[], &text);
        g.send("GET", "/v1.0/metadata", &[], &text);
        g.send("POST", "/nothing", &[], &text);
    }
    let head = "POST /v1.0/state/memory HTTP/1.1\r\nHost: a\r\n";
    for rest in [
        "Transfer-Encoding: chunked\r\n\r\n17\r\n[{\"key\":\"c\",\"value\":12}]\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n18\r\n[{\"key\":\"c\",\"value\":12}]\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2;ext=1\r\n[]\r\n0\r\nTrailer: x\r\n\r\n",
        "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n[]\r\n0\r\n\r\n", "Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n[]", "Content-Length: 0\r\n\r\n", "\r\n",
        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n[]", "Content-Length: 2\r\n\r\n[]trailing",
    ] {
        g.raw(format!("{head}{rest}"));
    }
    g
}

/// Trace headers and baggage.
#[rustfmt::skip] // Tables.
pub(super) fn traces() -> Group {
    let mut g = Group::new(usual("traces"));
    let many = |count: usize| format!("baggage: {}", (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(","));
    let states = |count: usize| format!("tracestate: {}", (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(","));
    let long = |length: usize| format!("baggage: k={}", "v".repeat(length));
    for field in [
        "baggage:", "baggage: a=b", "baggage: a=b,c=d", "baggage: a=b , c=d ", "baggage: a", "baggage: a=b;p", "baggage: a=b;p=q;r", "baggage: =b", "baggage: a=b,,c=d",
        "baggage: a=%20", "baggage: a=%zz", "baggage: a=%C3%BC", "baggage: a=%ff", "baggage: a=b,a=c", "baggage: a b=c", "baggage: a=\"q\"", "baggage: \u{fc}=b", "baggage: a=\u{fc}", "baggage: a=b;\u{fc}=x", "baggage: a=b;p=%20", "baggage: a=b=c", "baggage: ,",
        &many(63), &many(64), &many(65), &many(180), &many(181), &long(3_000), &long(4_090), &long(4_100),
    ] {
        g.send("GET", "/v1.0/state/memory/a", &[field], "");
        g.send("GET", "/v1.0/healthz", &[field], "");
    }
    g.send("GET", "/v1.0/state/memory/a", &["baggage: a=b", "baggage: c=d"], "");
    g.send("GET", "/v1.0/state/memory/a", &["baggage: a=b", "baggage: a=d"], "");
    for field in [
        "tracestate:", "tracestate: a=b", "tracestate: a=b,c=d", "tracestate: a", "tracestate: a=b,a=c", "tracestate: A=b", "tracestate: a=", "tracestate: =b", "tracestate: a=b,", "tracestate: a=b,,c=d",
        "tracestate: a=b=c", "tracestate: a@b=c", "tracestate: a@b@c=d", "tracestate: 1a=b", "tracestate: 1a@b=c", "tracestate: a=\u{fc}", "tracestate: a=b c", "tracestate:  a=b ", "tracestate: a*b/c_d-e=f", "tracestate: a=b\t,c=d",
        &states(31), &states(32), &states(33), &format!("tracestate: a={}", "v".repeat(256)), &format!("tracestate: a={}", "v".repeat(257)), &format!("tracestate: {}=v", "k".repeat(256)), &format!("tracestate: {}=v", "k".repeat(257)), &format!("tracestate: {}@v=v", "k".repeat(242)),
    ] {
        g.send("GET", "/v1.0/state/memory/a", &[TRACE, field], "");
    }
    g.send("GET", "/v1.0/state/memory/a", &[TRACE, "tracestate: a=b", "tracestate: c=d"], "");
    for field in [
        "traceparent:", "traceparent: x", "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", TRACE,
    ] {
        g.send("GET", "/v1.0/state/memory/a", &[field], "");
        g.send("GET", "/v1.0/healthz", &[field], "");
    }
    g
}
