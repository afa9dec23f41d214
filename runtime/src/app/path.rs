//! Routes of applications as paths of requests.

use std::fmt::Write as _;

use http::Uri;

/// A route as a path: with a slash before it, and what cannot stand in one escaped.
pub(crate) fn of_route(route: &str) -> String {
    let route = route.trim_start_matches('/');
    let mut path = String::with_capacity(route.len() + 1);
    path.push('/');
    for byte in route.bytes() {
        if byte.is_ascii_graphic() && !br#""<>\^`{|}#"#.contains(&byte) {
            path.push(char::from(byte));
        } else {
            // A string takes every write.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    if path.parse::<Uri>().is_ok() { path } else { "/".to_owned() }
}

/// The same without a fragment, empty parts, `.` and `..`, as Dapr cleans the routes of topics.
pub(crate) fn clean(route: &str) -> String {
    let (route, _) = route.split_once('#').unwrap_or((route, ""));
    let (path, query) =
        route.split_once('?').map_or((route, None), |(path, query)| (path, Some(query)));
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut cleaned = format!("/{}", parts.join("/"));
    if let Some(query) = query {
        cleaned.push('?');
        cleaned.push_str(query);
    }
    of_route(&cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_path_whatever_is_in_it() {
        assert_eq!(of_route("timer"), "/timer");
        assert_eq!(of_route("/a/b?x=1"), "/a/b?x=1");
        assert_eq!(of_route("my timer"), "/my%20timer");
        assert_eq!(of_route("zeit-ü#1"), "/zeit-%C3%BC%231");
    }

    #[test]
    fn a_topics_route_is_cleaned() {
        assert_eq!(clean(""), "/");
        assert_eq!(clean("orders"), "/orders");
        assert_eq!(clean("//a/./b/../c/?x=//"), "/a/c?x=//");
        assert_eq!(clean("../.."), "/");
        assert_eq!(clean("/a?b=c#d?e"), "/a?b=c");
    }
}
