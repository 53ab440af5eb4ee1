//! Certificates made for tests, and clients that trust them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::http::CertificateFiles;

/// A certificate for `localhost` that vouches for itself, and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    /// One that expires in so many days; may have expired already.
    pub(crate) fn new(days: i64) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "Plenum's tests");
        let expires = Timestamp::now().as_second() + days * 24 * 60 * 60;
        let expires = Duration::from_secs(expires.try_into().unwrap());
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + expires;
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key)
            .unwrap()
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A client that trusts this certificate and no other.
pub(crate) fn trusting(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.der()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Writes certificate and key as the operator's tool would: one after the other.
pub(crate) fn write(folder: &Path, identity: &Identity) -> CertificateFiles {
    let files = CertificateFiles {
        certificate: folder.join("fullchain.pem"),
        key: folder.join("privkey.pem"),
    };
    std::fs::write(&files.certificate, &identity.certificate).unwrap();
    std::fs::write(&files.key, &identity.key).unwrap();
    files
}
