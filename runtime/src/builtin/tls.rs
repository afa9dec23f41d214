//! TLS towards the servers of built-ins: rustls over ring, with the machine's own roots or a given
//! one.

use std::sync::Arc;

use replug_component::Error;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whom to trust, and as whom to come. Every text is PEM.
#[derive(Default)]
pub(super) struct Trust<'a> {
    /// The only root there is; none: the machine's.
    pub(super) root: Option<&'a str>,
    /// The client's certificate and its key.
    pub(super) client: Option<(&'a str, &'a str)>,
    /// Whether any server will do.
    pub(super) anybody: bool,
}

impl Trust<'_> {
    /// The same in the form that connections take.
    pub(super) fn config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("TLS", &error))?;
        let builder = if self.anybody {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let Some((certificate, key)) = self.client else {
            return Ok(builder.with_no_client_auth());
        };
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| invalid("the client's key", &error))?;
        builder
            .with_client_auth_cert(certificates(certificate, "the client's certificate")?, key)
            .map_err(|error| invalid("the client's certificate and key", &error))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        match self.root {
            Some(root) => {
                for certificate in certificates(root, "the root certificate")? {
                    roots
                        .add(certificate)
                        .map_err(|error| invalid("the root certificate", &error))?;
                }
            }
            // One that cannot be read is as one that is not there: servers that need it are refused.
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        Ok(roots)
    }
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(Error::Invalid(format!("{what} is none; write it as PEM")))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(invalid(what, &error)),
    }
}

/// The error's own text never has a part of a key in it.
fn invalid(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Invalid(format!("{what} cannot be used: {error}"))
}

/// Trusts every server, but still checks that it has the key of what it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_refused_and_not_shown() {
        for trust in [
            Trust { root: Some("s3cret"), ..Trust::default() },
            Trust { client: Some(("s3cret", "s3cret")), ..Trust::default() },
        ] {
            let error = trust.config().unwrap_err().to_string();
            assert!(
                !error.contains("s3cret") && error.contains("certificate") || error.contains("key"),
                "{error}"
            );
        }
    }
}
