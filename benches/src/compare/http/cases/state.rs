//! State: reading, writing, etags, options, lifetimes, transactions, queries.

use super::usual;
use crate::compare::http::call::Group;

/// Every call of the state API, at each of the stores.
#[rustfmt::skip] // Tables.
pub(super) fn group() -> Group {
    let mut group = Group::new(usual("state"));
    for store in ["memory", "sqlite", "nobody"] {
        single(&mut group, store);
        etags(&mut group, store);
        options(&mut group, store);
        lifetimes(&mut group, store);
        bulk(&mut group, store);
        transactions(&mut group, store);
        queries(&mut group, store);
    }
    group
}

/// One key at a time, and bodies that are none.
#[rustfmt::skip] // Tables.
fn single(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    for value in [
        r#"{"x":1}"#, "1", "1.50", "1e3", "null", "true", r#""text""#, r#""""#, "[]", "{}",
        r#""\u00fc<>&""#, "{ \"a\" :  [ 1 , 2 ] }", "12345678901234567890123", r#""\ud800""#,
    ] {
        g.post(all, format!(r#"[{{"key":"a","value":{value}}}]"#));
        g.get(&format!("{all}/a"));
    }
    for body in [
        "", "[]", "{}", "null", "1", "[1]", "[null]", "{", "[{]", r#"[{"key":1,"value":1}]"#,
        r#"[{"key":"a"}]"#, r#"[{"value":1}]"#, r#"[{"key":"","value":1}]"#,
        r#"[{"key":"a","value":1}"#, r#"[{"key":"a","value":1}] x"#, r#"{"key":"a","value":1}"#,
        r#"[{"key":"a||b","value":1}]"#, r#"[{"KEY":"upper","VALUE":2}]"#,
        r#"[{"key":"twice","key":"thrice","value":1,"value":2}]"#,
        r#"[{"key":"more","value":1,"other":5}]"#, r#"[{"key":"x","value":1,"etag":5}]"#,
        r#"[{"key":"x","value":1,"metadata":5}]"#, r#"[{"key":"x","value":1,"metadata":{"a":1}}]"#,
        r#"[{"key":"x","value":1,"options":5}]"#, r#"[{"key":"x","value":1,"metadata":null}]"#,
        r#"[{"key":"one","value":1},{"key":"","value":1}]"#,
        r#"[{"key":"s1","value":1},{"key":"s2","value":"b"}]"#, "\u{feff}[]",
        r#"[{"key":"k","value":nul}]"#, r"[{'key':'k'}]", "[{\"key\":\"k\",\"value\":\"\n\"}]",
    ] {
        g.post(all, body);
    }
    for path in [
        "upper", "thrice", "more", "one", "s1", "s2", "nothing", "a%20b", "a%2Fb", "a/b", "a%7C%7Cb",
        "", "%zz", "a?metadata.partitionKey=x", "a?consistency=strong", "a?consistency=eventual",
        "a?consistency=none", "a?consistency=", "a?metadata.=x", "a?metadata.a=1&metadata.a=2", "a;b",
        "a/", "%C3%BC", "ü", "a%00b", "+", "a?x=%zz", "a?a;b=c",
    ] {
        g.get(&format!("{all}/{path}"));
    }
    g.post(all, r#"[{"key":"a b","value":"space"},{"key":"ü","value":"u"},{"key":"+","value":"plus"}]"#);
    for path in ["a%20b", "a+b", "%C3%BC", "+", "%2B"] {
        g.get(&format!("{all}/{path}"));
    }
    for kind in ["text/plain", "application/xml", ""] {
        let kind = format!("Content-Type: {kind}");
        g.send("POST", all, &[&kind], r#"[{"key":"t","value":1}]"#);
    }
    g.send("POST", all, &[], r#"[{"key":"t","value":1}]"#);
    for method in ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "GET", "post", "FOO"] {
        g.send(method, all, &["Content-Type: application/json"], r#"[{"key":"m","value":1}]"#);
        g.send(method, &format!("{all}/m"), &[], "");
    }
    g.send("POST", &format!("{all}/"), &[], r#"[{"key":"slash","value":1}]"#);
    g.delete(&format!("{all}/nothing"));
    g.delete(&format!("{all}/a"));
    g.get(&format!("{all}/a"));
    g.post(&format!("{all}?metadata.ttlInSeconds=100"), r#"[{"key":"q","value":1}]"#);
    g.get(&format!("{all}/q"));
}

/// Writes that hold for one version alone.
#[rustfmt::skip] // Tables.
fn etags(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    let one = &format!("{all}/e");
    g.post(all, r#"[{"key":"e","value":1}]"#);
    g.get(one);
    g.post(all, r#"[{"key":"e","value":2,"etag":"{etag}"}]"#);
    g.post(all, r#"[{"key":"e","value":3,"etag":"{etag}"}]"#);
    g.get(one);
    for etag in ["1", "", "x", "00000000-0000-0000-0000-000000000000", "-1", "1.5"] {
        g.post(all, format!(r#"[{{"key":"e","value":4,"etag":"{etag}"}}]"#));
        g.post(all, format!(r#"[{{"key":"e","value":4,"etag":"{etag}","options":{{"concurrency":"first-write"}}}}]"#));
        g.post(all, format!(r#"[{{"key":"other","value":4}},{{"key":"e","value":4,"etag":"{etag}"}}]"#));
        g.send("DELETE", one, &[&format!("If-Match: {etag}")], "");
        g.send("DELETE", &format!("{all}/unknown"), &[&format!("If-Match: {etag}")], "");
        g.post(all, format!(r#"[{{"key":"new","value":4,"etag":"{etag}"}}]"#));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"upsert","request":{{"key":"e","value":4,"etag":"{etag}"}}}}]}}"#));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"delete","request":{{"key":"e","etag":"{etag}"}}}}]}}"#));
        g.post(all, r#"[{"key":"e","value":1}]"#);
        g.get(one);
    }
    g.post(all, r#"[{"key":"e","value":5,"etag":null}]"#);
    g.get(one);
    g.send("DELETE", one, &["If-Match: {etag}"], "");
    g.send("DELETE", one, &["If-Match: \"{etag}\""], "");
    g.get(one);
    g.post(all, r#"[{"key":"f","value":1,"options":{"concurrency":"first-write"}}]"#);
    g.post(all, r#"[{"key":"f","value":2,"options":{"concurrency":"first-write"}}]"#);
    g.get(&format!("{all}/f"));
    g.delete(&format!("{all}/f?concurrency=first-write"));
}

/// Options that are some, and options that are none.
#[rustfmt::skip] // Tables.
fn options(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    for concurrency in ["first-write", "last-write", "none", "", "FIRST-WRITE"] {
        g.post(all, format!(r#"[{{"key":"o","value":1,"options":{{"concurrency":"{concurrency}"}}}}]"#));
        g.post(all, format!(r#"[{{"key":"o2","value":1}},{{"key":"o","value":1,"options":{{"concurrency":"{concurrency}"}}}}]"#));
        g.delete(&format!("{all}/o?concurrency={concurrency}"));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"upsert","request":{{"key":"o","value":1,"options":{{"concurrency":"{concurrency}"}}}}}}]}}"#));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"delete","request":{{"key":"o","options":{{"concurrency":"{concurrency}"}}}}}}]}}"#));
    }
    for consistency in ["strong", "eventual", "none", "", "STRONG"] {
        g.post(all, format!(r#"[{{"key":"o","value":1,"options":{{"consistency":"{consistency}"}}}}]"#));
        g.get(&format!("{all}/o?consistency={consistency}"));
        g.delete(&format!("{all}/o?consistency={consistency}"));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"upsert","request":{{"key":"o","value":1,"options":{{"consistency":"{consistency}"}}}}}}]}}"#));
    }
    g.post(all, r#"[{"key":"o","value":1,"options":{"concurrency":"x","consistency":"y"}}]"#);
    g.post(all, r#"[{"key":"o","value":1,"options":{"concurrency":5}}]"#);
    g.post(all, r#"[{"key":"o","value":1,"options":{"retryPolicy":{"interval":1}}}]"#);
}

/// `ttlInSeconds`.
#[rustfmt::skip] // Tables.
fn lifetimes(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    for ttl in ["100", "0", "-1", "-2", "x", "1.5", "", " 5", "99999999999999999999", "1s", "2147483648"] {
        g.post(all, format!(r#"[{{"key":"ttl","value":1,"metadata":{{"ttlInSeconds":"{ttl}"}}}}]"#));
        g.get(&format!("{all}/ttl"));
        g.post(&format!("{all}/transaction"), format!(r#"{{"operations":[{{"operation":"upsert","request":{{"key":"ttl","value":2,"metadata":{{"ttlInSeconds":"{ttl}"}}}}}}]}}"#));
        g.post(&format!("{all}/bulk"), r#"{"keys":["ttl"]}"#);
    }
    g.post(all, r#"[{"key":"ttl","value":1,"metadata":{"TTLInSeconds":"100"}}]"#);
    g.get(&format!("{all}/ttl"));
    g.post(all, r#"[{"key":"ttl","value":1}]"#);
    g.get(&format!("{all}/ttl"));
}

/// Several keys at once.
#[rustfmt::skip] // Tables.
fn bulk(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    g.post(all, r#"[{"key":"b1","value":1},{"key":"b2","value":{"x":"y"}},{"key":"b3","value":"t","metadata":{"contentType":"text/plain"}}]"#);
    for body in [
        "", "{}", "[]", "null", "{", r#"{"keys":[]}"#, r#"{"keys":null}"#, r#"{"keys":["b1"]}"#,
        r#"{"keys":["b1","b2","b3","nothing"],"parallelism":1}"#, r#"{"keys":["b1","b1"],"parallelism":1}"#,
        r#"{"keys":[""]}"#, r#"{"keys":["a||b"]}"#, r#"{"keys":[1]}"#, r#"{"keys":"b1"}"#,
        r#"{"keys":["b1"],"parallelism":0}"#, r#"{"keys":["b1"],"parallelism":-1}"#,
        r#"{"keys":["b1"],"parallelism":"x"}"#, r#"{"keys":["b1"],"metadata":{"partitionKey":"x"}}"#,
    ] {
        g.post(&format!("{all}/bulk"), body);
    }
    g.post(&format!("{all}/bulk?metadata.partitionKey=x"), r#"{"keys":["b1"]}"#);
    g.send("PUT", &format!("{all}/bulk"), &[], r#"{"keys":["b1"]}"#);
    g.get(&format!("{all}/bulk"));
}

/// Transactions that are carried out, and those that are none.
#[rustfmt::skip] // Tables.
fn transactions(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    for body in [
        "", "{}", "[]", "null", "{", r#"{"operations":[]}"#, r#"{"operations":null}"#,
        r#"{"operations":[{}]}"#, r#"{"operations":[{"operation":"upsert"}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"t1","value":1}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"t1","value":1}},{"operation":"delete","request":{"key":"t1"}}]}"#,
        r#"{"operations":[{"operation":"UPSERT","request":{"key":"t1","value":1}}]}"#,
        r#"{"operations":[{"operation":"merge","request":{"key":"t1","value":1}}]}"#,
        r#"{"operations":[{"operation":"delete","request":{"key":"nothing"}}]}"#,
        r#"{"operations":[{"operation":"delete","request":{}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"a||b","value":1}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":1,"value":1}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"t1"}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"t1","value":1}},{"operation":"bad","request":{"key":"t2"}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"same","value":1}},{"operation":"upsert","request":{"key":"same","value":2}}]}"#,
        r#"{"operations":[{"operation":5,"request":{"key":"t1"}}]}"#,
        r#"{"operations":[{"operation":"upsert","request":5}]}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"m","value":1}}],"metadata":{"a":"b"}}"#,
        r#"{"operations":[{"operation":"upsert","request":{"key":"m","value":1}}],"metadata":{"a":1}}"#,
    ] {
        g.post(&format!("{all}/transaction"), body);
    }
    for key in ["t1", "same", "m"] {
        g.get(&format!("{all}/{key}"));
    }
    g.send("PUT", &format!("{all}/transaction"), &[], r#"{"operations":[]}"#);
    g.get(&format!("{all}/transaction"));
}

/// Queries, of which daprd has none for these stores.
#[rustfmt::skip] // Tables.
fn queries(g: &mut Group, store: &str) {
    for body in ["", "{}", "{", "[]", r#"{"filter":{"EQ":{"x":1}}}"#, r#"{"filter":{"XX":{}}}"#, r#"{"sort":[{"key":"x"}],"page":{"limit":1}}"#] {
        g.post(&format!("/v1.0-alpha1/state/{store}/query"), body);
    }
    g.post(&format!("/v1.0/state/{store}/query"), "{}");
}
