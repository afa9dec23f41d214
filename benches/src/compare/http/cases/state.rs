//! State: reading, writing, etags, options, lifetimes, transactions, queries.

use super::usual;
use crate::compare::http::call::Group;

/// Every call of the state API, at each of the stores.
pub(super) fn group() -> Group {
    let mut group = Group::new(usual("state"));
    group.measured = true;
    for store in ["memory", "sqlite"] {
        single(&mut group, store);
    }
    group
}

fn single(g: &mut Group, store: &str) {
    let all = &format!("/v1.0/state/{store}");
    g.get(&format!("{all}/nothing"));
    g.post(all, r#"[{"key":"a","value":{"x":1}}]"#);
    g.get(&format!("{all}/a"));
    g.delete(&format!("{all}/a"));
    g.post(&format!("/v1.0-alpha1/state/{store}/query"), "{}")
        .differs("replug has queries of its built-in stores", &["status", "body"]);
}
