//! The token that callers of the APIs have to show.

use std::fmt;

use http::HeaderName;

/// The header, or gRPC metadata, in which a caller shows it.
pub(super) static HEADER: HeaderName = HeaderName::from_static("dapr-api-token");

/// A secret shared with the callers. Printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(Box<str>);

impl ApiToken {
    /// The token of this text; none where it is empty, as an empty variable asks for no token.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// Whether `shown` is the token. Takes as long for a near miss as for a far one.
    pub(super) fn admits(&self, shown: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let difference = token.iter().zip(shown).fold(0, |seen, (a, b)| seen | (a ^ b));
        token.len() == shown.len() && difference == 0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = ApiToken::new("secret").unwrap();
        assert!(token.admits(b"secret"));
        for wrong in ["", "secre", "secrets", "Secret"] {
            assert!(!token.admits(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(ApiToken::new(""), None);
        assert_eq!(format!("{token:?}"), "ApiToken(…)");
    }
}
