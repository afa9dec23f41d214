//! What the application is shown, so that it knows that replug calls.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// The header, or gRPC metadata, in which it is shown.
pub(super) const HEADER_NAME: &str = "dapr-api-token";

/// The same as a header.
pub(super) const HEADER: HeaderName = HeaderName::from_static(HEADER_NAME);

/// A secret shared with the application. Printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct AppToken(HeaderValue);

/// A text that no header can carry.
#[derive(Debug, thiserror::Error)]
#[error("the application's token has characters in it that no header can carry")]
pub struct InvalidToken;

impl AppToken {
    /// The token of this text; none where it is empty.
    pub fn new(text: &str) -> Result<Option<Self>, InvalidToken> {
        if text.is_empty() {
            return Ok(None);
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Some(Self(value)))
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for AppToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_to_the_application_alone() {
        let token = AppToken::new("secret").unwrap().unwrap();
        assert_eq!(format!("{token:?} {:?}", token.value()), "AppToken(…) Sensitive");
        assert_eq!(AppToken::new("").unwrap(), None);
        assert!(AppToken::new("two\nlines").is_err());
    }
}
