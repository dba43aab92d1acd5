//! Whom to trust on an encrypted connection, the same settings for HTTP and mail.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::Deserialize;

use super::credential;

/// Whom to trust on an encrypted connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// File with the authorities (PEM) to trust in place of Mozilla's.
    pub ca_file: Option<PathBuf>,
    /// Name to expect in the server's certificate; by default the host that is connected to.
    pub server_name: Option<String>,
    /// Accept any certificate. Whoever can stand between then reads everything, passwords included.
    pub insecure_skip_verify: bool,
}

/// Why an encrypted connection cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities cannot be read.
    #[error("{0}")]
    Read(String),
    /// It has no authorities, or broken ones.
    #[error("cannot use {}: {reason}, allowed: one or more PEM certificates", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The name to expect is no name.
    #[error("invalid server name {0:?}, allowed: a host name or an IP address")]
    ServerName(String),
    /// The cryptography cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsConfig {
    /// Reads the file of authorities, if one is named.
    ///
    /// # Errors
    /// [`TlsError::Read`].
    pub(super) fn authorities(&self) -> Result<Option<Vec<u8>>, TlsError> {
        let Some(path) = &self.ca_file else {
            return Ok(None);
        };
        let read = fs::read(path);
        let read = read.map_err(|error| TlsError::Read(credential::unreadable(path, &error)));
        read.map(Some)
    }

    /// The name to expect, checked.
    pub(super) fn expected_name(&self) -> Result<Option<ServerName<'static>>, TlsError> {
        let name = self.server_name.as_ref();
        name.map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))
        })
        .transpose()
    }

    /// Settings of rustls that follow these.
    ///
    /// # Errors
    /// Where the file of authorities is missing or not good.
    pub(super) fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        if self.insecure_skip_verify {
            let verifier = Arc::new(TrustEveryone(provider));
            let builder = builder
                .dangerous()
                .with_custom_certificate_verifier(verifier);
            return Ok(builder.with_no_client_auth());
        }
        let builder = match self.authorities()? {
            None => builder.with_webpki_roots(),
            Some(pem) => builder.with_root_certificates(self.roots(&pem)?),
        };
        Ok(builder.with_no_client_auth())
    }

    fn roots(&self, pem: &[u8]) -> Result<RootCertStore, TlsError> {
        let path = self.ca_file.clone().unwrap_or_default();
        let wrong = |reason: String| TlsError::Authorities {
            path: path.clone(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("it holds no certificate".to_owned()));
        }
        Ok(roots)
    }
}

/// Accepts every certificate, but still checks that the server holds its key.
#[derive(Debug)]
struct TrustEveryone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEveryone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_authorities_are_checked() {
        let folder = std::env::temp_dir().join(format!("opwatch-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (missing, empty) = (folder.join("missing.pem"), folder.join("empty.pem"));
        fs::write(&empty, "nothing").unwrap();
        for (path, expected) in [
            (
                &missing,
                format!("cannot read {}: no such file", missing.display()),
            ),
            (
                &empty,
                format!(
                    "cannot use {}: it holds no certificate, allowed: one or more PEM certificates",
                    empty.display()
                ),
            ),
        ] {
            let config = TlsConfig {
                ca_file: Some(path.clone()),
                ..TlsConfig::default()
            };
            assert_eq!(config.client_config().unwrap_err().to_string(), expected);
        }
        assert!(TlsConfig::default().client_config().is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
