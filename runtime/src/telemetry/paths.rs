//! Patterns that paths are counted by, in the form of Go's `ServeMux`: `/orders/{id}`, `/files/`,
//! `/files/{rest...}`, `/orders/{$}`.

use super::path_labels::normal;

/// What methods of an application are invoked by through the runtime, and what pattern stands for all
/// of them, as in Dapr.
const INVOKED: &str = "/v1.0/invoke/";
const METHODS: &str = "/v1.0/invoke/{app_id}/method";

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
    /// These patterns, and each for the methods of applications as they are invoked through the
    /// runtime.
    pub(super) fn new(texts: &[String]) -> Self {
        let mut patterns = Vec::new();
        for text in texts {
            let text = normal(text);
            if !text.starts_with(INVOKED) {
                patterns.push(Pattern::new(format!("{METHODS}{text}")));
            }
            patterns.push(Pattern::new(text.into_owned()));
        }
        // Parts are in the order of how particular they are, and what is longer is more so: a shorter
        // pattern that is the beginning of a longer one matches other paths than that.
        patterns.sort_by(|one, other| one.parts.cmp(&other.parts));
        Self(patterns)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pattern that a path is counted by. `/files` is counted by `/files/` or `/files/{$}`, to
    /// which Go would send the caller, where nothing else fits as well.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        let found = self.0.iter().find(|pattern| pattern.matches(path));
        let whole = found.filter(|pattern| pattern.parts.last() != Some(&Part::Rest));
        let found = whole.or_else(|| self.0.iter().find(|it| it.is_below(path))).or(found)?;
        Some(&found.text)
    }
}

// === impl Pattern ===

impl Pattern {
    fn new(text: String) -> Self {
        Self { parts: parts(&text), text }
    }

    /// Whether the path is of it once it has a slash after it.
    fn is_below(&self, path: &str) -> bool {
        let Some((Part::Rest | Part::End, before)) = self.parts.split_last() else { return false };
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
        !self.text.ends_with("...}")
            && before.iter().all(|part| part.fits(given.next()))
            && given.next().is_none()
    }

    fn matches(&self, path: &str) -> bool {
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
        for part in &self.parts {
            if *part == Part::Rest {
                return given.next().is_some();
            }
            if !part.fits(given.next()) {
                return false;
            }
        }
        given.next().is_none()
    }
}

// === impl Part ===

impl Part {
    /// Whether it is of what stands between two slashes; none: the path has ended before.
    fn fits(&self, given: Option<&str>) -> bool {
        match self {
            Self::Rest => given.is_some(),
            Self::End => given == Some(""),
            Self::Text(text) => given == Some(text),
            Self::Any => given.is_some_and(|given| !given.is_empty()),
        }
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
        let patterns = Patterns::new(&texts.map(str::to_owned));
        for (path, pattern) in [
            ("/orders/7", "/orders/{id}"),
            ("/orders/new", "/orders/new"),
            ("/orders/7/items/8", "/orders/{id}/items/{item}"),
            ("/files/a/b", "/files/"),
            ("/files/", "/files/"),
            ("/files", "/files/"),
            ("/rest", "/"),
            ("/exact", "/exact/{$}"),
            ("/exact/", "/exact/{$}"),
            ("/exact/more", "/"),
            ("/rest/a/b", "/rest/{all...}"),
            ("/orders/", "/"),
            ("/else", "/"),
            ("/no-slash", "/no-slash"),
            ("/v1.0/invoke/shop/method/orders/7", "/v1.0/invoke/{app_id}/method/orders/{id}"),
        ] {
            assert_eq!(patterns.of(path), Some(pattern), "{path}");
        }
        let few = Patterns::new(&["/orders/{id}".to_owned()]);
        assert_eq!((few.of("/orders"), few.of("/")), (None, None));
    }
}
