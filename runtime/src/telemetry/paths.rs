//! Patterns that paths are counted by, in the form of Go's `ServeMux`: `/orders/{id}`, `/files/`,
//! `/files/{rest...}`, `/orders/{$}`.

/// What follows the application's id where it is invoked through the runtime.
const INVOKED: &str = "/v1.0/invoke/";

/// A part of a pattern between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing: the path ends here, with a slash.
    End,
    /// This text.
    Text(String),
    /// Any text but none.
    Any,
    /// All that is left, be it nothing.
    Rest,
}

/// One pattern.
#[derive(Debug)]
struct Pattern {
    text: String,
    parts: Vec<Part>,
}

/// All patterns, the most particular first.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

// === impl Patterns ===

impl Patterns {
    /// These patterns, and each for the methods of the application `app_id` as they are invoked
    /// through the runtime. What is no pattern is left out and told.
    pub(super) fn new(app_id: &str, texts: &[String]) -> Self {
        let whole = |text: &String| {
            let of_methods = format!("{INVOKED}{app_id}/method{text}");
            text.starts_with('/').then(|| [text.clone(), of_methods])
        };
        let mut patterns = Vec::new();
        for text in texts {
            let Some(both) = whole(text) else {
                tracing::error!("{text:?} of pathMatching is left out: a path begins with a slash");
                continue;
            };
            patterns.extend(both.map(|text| Pattern { parts: parts(&text), text }));
        }
        // Parts are in the order of how particular they are, and what is longer is more so: a shorter
        // pattern that is the beginning of a longer one matches other paths than that.
        patterns.sort_by(|one, other| one.parts.cmp(&other.parts));
        Self(patterns)
    }

    /// The pattern that a path is counted by.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        let pattern = self.0.iter().find(|pattern| pattern.matches(path))?;
        Some(&pattern.text)
    }
}

// === impl Pattern ===

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
        for part in &self.parts {
            let fits = match part {
                Part::Rest => return given.next().is_some(),
                Part::End => given.next() == Some(""),
                Part::Text(text) => given.next() == Some(text),
                Part::Any => given.next().is_some_and(|given| !given.is_empty()),
            };
            if !fits {
                return false;
            }
        }
        given.next().is_none()
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let parts = pattern.strip_prefix('/').unwrap_or(pattern).split('/');
    let part = |text: &str| match text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some("$") => Part::End,
        Some(name) if name.ends_with("...") => Part::Rest,
        Some(_) => Part::Any,
        // What ends with a slash is of all that is below.
        None if text.is_empty() => Part::Rest,
        None => Part::Text(text.to_owned()),
    };
    parts.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_pattern_counts() {
        let texts = [
            "/",
            "/orders/{id}",
            "/orders/new",
            "/orders/{id}/items/{item}",
            "/files/",
            "/exact/{$}",
            "/rest/{all...}",
            "no-slash",
        ];
        let patterns = Patterns::new("shop", &texts.map(str::to_owned));
        for (path, pattern) in [
            ("/orders/7", "/orders/{id}"),
            ("/orders/new", "/orders/new"),
            ("/orders/7/items/8", "/orders/{id}/items/{item}"),
            ("/files/a/b", "/files/"),
            ("/files/", "/files/"),
            ("/exact/", "/exact/{$}"),
            ("/exact/more", "/"),
            ("/rest/a/b", "/rest/{all...}"),
            ("/orders/", "/"),
            ("/else", "/"),
            ("/v1.0/invoke/shop/method/orders/7", "/v1.0/invoke/shop/method/orders/{id}"),
            ("/v1.0/invoke/other/method/orders/7", "/"),
        ] {
            assert_eq!(patterns.of(path), Some(pattern), "{path}");
        }
        let few = Patterns::new("shop", &["/orders/{id}".to_owned()]);
        assert_eq!((few.of("/orders"), few.of("/")), (None, None));
    }
}
