//! What `bindings.http` is told in its metadata, by Dapr's names. Names count in any case; unknown ones
//! are left alone.

use std::time::Duration;

use replug_component::{Error, Metadata};
use url::Url;

use super::ERROR_IF_NOT_2XX;
use crate::builtin::setting::{self, Secret, filled};
use crate::go_duration;

/// 100 MiB.
const DEFAULT_BODY_LIMIT: usize = 100 << 20;

/// How servers are called.
#[derive(Debug)]
pub(super) struct Settings {
    /// What every path of a call comes after: `url`.
    pub(super) url: String,
    /// How long an answer may take, with its body: `responseTimeout`.
    pub(super) timeout: Option<Duration>,
    /// How much of an answer's body is taken, in bytes; the rest is left out. None: all of it.
    pub(super) body_limit: Option<usize>,
    /// Whether a status that is no success is an error, where a call does not say.
    pub(super) error_if_not_2xx: bool,
    /// A header of every request: `securityTokenHeader` and `securityToken`.
    pub(super) token: Option<(String, Secret)>,
    /// `MTLSRootCA`, PEM.
    pub(super) root: Option<String>,
    /// `MTLSClientCert` and `MTLSClientKey`, PEM.
    pub(super) client: Option<(String, Secret)>,
}

impl Settings {
    /// Reads the files that are named in place of a certificate or a key.
    pub(super) async fn new(metadata: &Metadata) -> Result<Self, Error> {
        let url = filled(metadata, &["url"])?.unwrap_or_default();
        tell_of(url);
        known_renegotiation(filled(metadata, &["MTLSRenegotiation"])?)?;
        let certificate = pem(metadata, "MTLSClientCert").await?;
        let key = pem(metadata, "MTLSClientKey").await?;
        let token = filled(metadata, &["securityToken"])?;
        Ok(Self {
            url: url.to_owned(),
            timeout: timeout(metadata)?,
            body_limit: body_limit(metadata)?,
            error_if_not_2xx: filled(metadata, &[ERROR_IF_NOT_2XX])?.is_none_or(setting::says_yes),
            token: filled(metadata, &["securityTokenHeader"])?
                .zip(token)
                .map(|(header, token)| (header.to_owned(), Secret::from(token))),
            root: pem(metadata, "MTLSRootCA").await?,
            // As in Dapr, one without the other is none.
            client: certificate.zip(key).map(|(cert, key)| (cert, Secret::from(key.as_str()))),
        })
    }
}

/// Says what is wrong with a URL, if anything is: as in Dapr, it is calls that fail of it.
fn tell_of(url: &str) {
    let what = match Url::parse(url) {
        Ok(known) if matches!(known.scheme(), "http" | "https") => return,
        Ok(known) => format!("and `{}` is not spoken", known.scheme()),
        Err(error) => format!("which is no URL: {error}"),
    };
    let example = "write one such as http://localhost:8080/orders";
    tracing::warn!("`url` is `{url}`, {what}: no call can be made; {example}");
}

/// TLS as it is spoken here never agrees anew on a connection that there is.
fn known_renegotiation(asked: Option<&str>) -> Result<(), Error> {
    match asked {
        None | Some("RenegotiateNever") => Ok(()),
        Some("RenegotiateOnceAsClient" | "RenegotiateFreelyAsClient") => {
            tracing::warn!("MTLSRenegotiation has no effect: replug's TLS does not renegotiate");
            Ok(())
        }
        Some(other) => Err(Error::Invalid(format!("invalid renegotiation value: {other}"))),
    }
}

/// The PEM that a setting is, or that is in the file it names.
async fn pem(metadata: &Metadata, name: &str) -> Result<Option<String>, Error> {
    match filled(metadata, &[name])? {
        Some(file) if !file.contains("-----BEGIN ") => {
            // What is no path may be a key that was cut off: it is not shown.
            tokio::fs::read_to_string(file).await.map(Some).map_err(|error| {
                Error::Invalid(format!(
                    "`{name}` is neither PEM nor a file that can be read: {error}"
                ))
            })
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn timeout(metadata: &Metadata) -> Result<Option<Duration>, Error> {
    let name = "responseTimeout";
    let Some(text) = filled(metadata, &[name])? else { return Ok(None) };
    match go_duration::parse(text) {
        Some(timeout) => Ok(Some(timeout).filter(|timeout| !timeout.is_zero())),
        None => Err(Error::Invalid(format!("`{name}` is `{text}`; write a duration such as 20s"))),
    }
}

fn body_limit(metadata: &Metadata) -> Result<Option<usize>, Error> {
    let name = "maxResponseBodySize";
    let Some(text) = filled(metadata, &[name])? else { return Ok(Some(DEFAULT_BODY_LIMIT)) };
    match setting::quantity(text) {
        Some(limit) => Ok(Some(limit).filter(|limit| *limit > 0)),
        None => Err(Error::Invalid(format!("`{name}` is `{text}`; write a size such as 100Mi"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn settings(given: &[(&str, &str)]) -> Result<Settings, Error> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::new(&given.collect()).await
    }

    #[tokio::test]
    async fn defaults_are_daprs() {
        let settings = settings(&[("url", "http://localhost/a")]).await.unwrap();
        assert_eq!(settings.body_limit, Some(104_857_600));
        assert_eq!(settings.timeout, None);
        assert!(settings.error_if_not_2xx && settings.token.is_none() && settings.root.is_none());
    }

    #[tokio::test]
    async fn names_count_in_any_case_and_zero_is_no_bound() {
        let settings = settings(&[
            ("URL", "https://localhost"),
            ("responsetimeout", "1m"),
            ("maxResponseBodySize", "0"),
            ("errorifnot2xx", "no"),
            ("securityToken", "s3cret"),
            ("securityTokenHeader", "X-Token"),
        ])
        .await
        .unwrap();
        assert_eq!(settings.timeout, Some(Duration::from_secs(60)));
        assert_eq!(settings.body_limit, None);
        assert!(!settings.error_if_not_2xx);
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_refused_by_its_name() {
        let url = ("url", "http://localhost");
        for (name, value) in [
            ("MTLSRootCA", "/no/such/file"),
            ("MTLSClientKey", "s3cret"),
            ("responseTimeout", "soon"),
            ("maxResponseBodySize", "much"),
        ] {
            let error = settings(&[url, (name, value)]).await.unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && !error.contains("s3cret"), "{error}");
        }
        let error = settings(&[url, ("MTLSRenegotiation", "Often")]).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid renegotiation value: Often");
        for url in ["", "localhost:8080/a", "ftp://localhost", "http://"] {
            assert_eq!(settings(&[("url", url)]).await.unwrap().url, url, "calls fail of it");
        }
    }
}
