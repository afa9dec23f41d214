//! What paths are called in labels: by the rules by which Dapr cuts them, or by patterns.

use std::borrow::Cow;

use super::paths::Patterns;
use crate::resources::HttpMetrics;

/// Paths that are always told.
const STATIC: [&str; 4] = ["/dapr/config", "/dapr/metrics", "/dapr/subscribe", "/healthz"];

/// The one of them that Dapr asks the application by without the slash that it is known with.
const SUBSCRIBE: &str = "/dapr/subscribe";

/// How many parts of a path Dapr looks at; the last has all that is left.
const PARTS: usize = 6;

/// How paths are called.
#[derive(Debug)]
pub(super) struct PathLabels {
    tells: bool,
    patterns: Patterns,
}

// === impl PathLabels ===

impl PathLabels {
    pub(super) fn new(settings: &HttpMetrics) -> Self {
        let patterns = Patterns::new(&settings.path_matching);
        Self { tells: settings.increased_cardinality, patterns }
    }

    /// Whether paths that no pattern matches are told.
    pub(super) fn tells(&self) -> bool {
        self.tells
    }

    /// The label of a path that was called here, escaped as it came.
    pub(super) fn called<'p>(&'p self, path: &'p str) -> Cow<'p, str> {
        if !self.tells && self.patterns.is_empty() {
            return Cow::Borrowed("");
        }
        let path = over(unescaped(path), normal);
        if STATIC.contains(&&*path) { path } else { self.of(path) }
    }

    /// The label of a path that the application was asked by.
    pub(super) fn asked<'p>(&'p self, path: &'p str) -> Cow<'p, str> {
        if STATIC.contains(&path) && path != SUBSCRIBE {
            return Cow::Borrowed(path);
        }
        if !self.tells && self.patterns.is_empty() {
            return Cow::Borrowed("");
        }
        over(self.of(normal(path)), cut)
    }

    fn of<'p>(&'p self, path: Cow<'p, str>) -> Cow<'p, str> {
        if self.patterns.is_empty() {
            return over(path, cut);
        }
        // Where paths are told anyway, a pattern that is the path itself tells nothing more.
        if let Some(pattern) = self.patterns.of(&path).filter(|it| !self.tells || *it != path) {
            return Cow::Borrowed(pattern);
        }
        let short = over(path, cut);
        match self.patterns.of(&short).filter(|pattern| *pattern != "/") {
            Some(pattern) => Cow::Borrowed(pattern),
            None if self.tells => over(short, normal),
            None => Cow::Borrowed(""),
        }
    }
}

/// What `change` makes of a text, which is copied where it is no part of another.
fn over(text: Cow<'_, str>, change: fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => Cow::Owned(change(&text).into_owned()),
    }
}

/// The path that an escaped one stands for. What is no text is made readable.
fn unescaped(path: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy()
}

/// The path with a slash before it, and no two in a row.
pub(super) fn normal(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len() + 1);
    for char in std::iter::once('/').chain(path.chars()) {
        if char != '/' || !normal.ends_with('/') {
            normal.push(char);
        }
    }
    Cow::Owned(normal)
}

/// A path without what names a single thing: the key of a state, the name of a secret, the id of an
/// actor or a workflow. It goes by the second part alone, whatever version the first one is.
fn cut(path: &str) -> Cow<'_, str> {
    let mut parts = [""; PARTS];
    let mut count = 0;
    for part in path.strip_prefix('/').unwrap_or(path).splitn(PARTS, '/') {
        parts[count] = part;
        count += 1;
    }
    let [version, block, name, id, operation, last] = parts;
    if count < 3 {
        return Cow::Borrowed(path);
    }
    if version == "actors" {
        parts[2] = "{id}";
        return Cow::Owned(parts[..count].join("/"));
    }
    match (block, count) {
        ("state" | "secrets", _) => {
            let slash = usize::from(path.starts_with('/'));
            Cow::Borrowed(&path[..slash + version.len() + block.len() + name.len() + 2])
        }
        ("actors", 5..) => Cow::Owned(format!("/{version}/{block}/{name}/{{id}}/{operation}")),
        ("workflows", 4) => Cow::Owned(format!("/{version}/{block}/{name}/{{instanceId}}")),
        ("workflows", 5) if operation.starts_with("start") => {
            Cow::Owned(format!("/{version}/{block}/{name}/{id}/start"))
        }
        ("workflows", 5..) => {
            let event = operation == "raiseEvent" && !last.is_empty();
            let event = if event { "/{eventName}" } else { "" };
            Cow::Owned(format!("/{version}/{block}/{name}/{{instanceId}}/{operation}{event}"))
        }
        _ => Cow::Borrowed(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tells: bool, patterns: &[&str]) -> PathLabels {
        PathLabels::new(&HttpMetrics {
            increased_cardinality: tells,
            path_matching: patterns.iter().map(|it| (*it).to_owned()).collect(),
            ..HttpMetrics::default()
        })
    }

    #[test]
    fn paths_are_unescaped_and_cut_as_dapr_cuts_them() {
        let labels = labels(true, &[]);
        for (path, label) in [
            ("/v1.0/state/orders/1/2", "/v1.0/state/orders"),
            ("/v1.0/state/orders", "/v1.0/state/orders"),
            ("/v1.0/state/", "/v1.0/state/"),
            ("/v1.0//state//orders/1", "/v1.0/state/orders"),
            ("/v1.0-alpha1/state/orders/query", "/v1.0-alpha1/state/orders"),
            ("/v1.0/state/%6frders/%20", "/v1.0/state/orders"),
            ("/x/secrets/vault/key", "/x/secrets/vault"),
            ("/v1.0/publish/bus/a%2Fb", "/v1.0/publish/bus/a/b"),
            ("/v1.0/publish/bus/%20+%", "/v1.0/publish/bus/ +%"),
            ("/v1.0/actors/kind/1/method/run", "/v1.0/actors/kind/{id}/method"),
            ("/v1.0/actors/kind/1", "/v1.0/actors/kind/1"),
            ("/actors/kind/1/method/run", "actors/kind/{id}/method/run"),
            ("/v1.0/workflows/dapr/7", "/v1.0/workflows/dapr/{instanceId}"),
            ("/v1.0/workflows/dapr/order/start", "/v1.0/workflows/dapr/order/start"),
            ("/v1.0/workflows/dapr/7/pause", "/v1.0/workflows/dapr/{instanceId}/pause"),
            (
                "/v1.0/workflows/dapr/7/raiseEvent/paid",
                "/v1.0/workflows/dapr/{instanceId}/raiseEvent/{eventName}",
            ),
            ("//", "/"),
            ("*", "/*"),
        ] {
            assert_eq!(labels.called(path), label, "{path}");
        }
    }

    #[test]
    fn nothing_is_copied_for_the_paths_of_every_call() {
        let labels = labels(true, &[]);
        for path in ["/v1.0/state/orders/1", "/v1.0/publish/bus/orders", "/v1.0/healthz"] {
            assert!(matches!(labels.called(path), Cow::Borrowed(_)), "{path}");
        }
    }

    #[test]
    fn a_pattern_counts_before_and_after_a_path_is_cut() {
        for (tells, patterns, path, label) in [
            (
                false,
                &["/v1.0/state/orders/{key}"][..],
                "/v1.0/state/orders/1",
                "/v1.0/state/orders/{key}",
            ),
            (false, &["/v1.0/state/orders"], "/v1.0/state/orders/1", "/v1.0/state/orders"),
            (false, &["/v1.0/state/orders"], "/v1.0/state/other/1", ""),
            (true, &["/v1.0/state/orders"], "/v1.0/state/other/1", "/v1.0/state/other"),
            (true, &["/v1.0/state/orders/1"], "/v1.0/state/orders/1", "/v1.0/state/orders"),
            (true, &["/"], "/v1.0/state/other/1", "/"),
            (true, &["/orders"], "/actors/kind/1/method/run", "/actors/kind/{id}/method/run"),
            (false, &["/orders"], "/healthz", "/healthz"),
        ] {
            assert_eq!(labels(tells, patterns).called(path), label, "{tells} {patterns:?} {path}");
        }
    }

    #[test]
    fn what_the_application_is_asked_is_told_where_it_is_dapr_that_asks() {
        let few = labels(false, &[]);
        for (path, label) in [("/dapr/config", "/dapr/config"), (SUBSCRIBE, ""), ("/orders", "")] {
            assert_eq!(few.asked(path), label, "{path}");
        }
        assert_eq!(labels(true, &[]).asked("/orders"), "/orders");
    }
}
