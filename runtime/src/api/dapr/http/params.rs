//! The query part of a URL.

use http::Uri;
use replug_component::Metadata;

use super::path::unescaped;

/// What a parameter begins with that is metadata for the component.
const METADATA: &str = "metadata.";

/// The parameters of a request, in order. Those that are ill escaped are left out.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';'));
        let read = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescaped(name).ok()?, unescaped(value).ok()?))
        });
        Self(read.collect())
    }

    /// The first value of a parameter.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The metadata among them: of a repeated name the first value counts.
    pub(super) fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, value) in &self.0 {
            if let Some(name) = name.strip_prefix(METADATA)
                && !metadata.contains_key(name)
            {
                metadata.insert(name.to_owned(), value.clone());
            }
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metadata_keeps_its_case_and_the_first_of_repeated_names_counts() {
        let uri = "/x?metadata.Ttl=1&metadata.Ttl=2&metadata.a%20b=c+d&consistency=strong&%zz=1";
        let params = Params::of(&uri.parse().unwrap());
        let metadata = params.metadata();
        assert_eq!(metadata.len(), 2);
        assert_eq!(metadata["Ttl"], "1");
        assert_eq!(metadata["a b"], "c d");
        assert_eq!(params.first("consistency"), Some("strong"));
        assert_eq!(params.first("concurrency"), None);
    }

    proptest! {
        #[test]
        fn any_query_is_read_and_what_is_ill_escaped_left_out(
            query in "((metadata[.])?([a-zA-Z0-9+=;]|%[0-9a-fA-F]{2}|%){0,9}&){0,6}",
        ) {
            let Ok(uri) = format!("/x?{query}").parse() else { return Ok(()) };
            let params = Params::of(&uri);
            prop_assert!(params.0.len() <= query.split('&').count());
            for (name, value) in params.metadata() {
                prop_assert_eq!(params.first(&format!("metadata.{name}")), Some(value.as_str()));
            }
        }
    }
}
