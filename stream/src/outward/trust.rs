//! Whose certificates are believed when this program calls another: of those that this machine
//! believes, and besides of those in a file that the operator named.
//!
//! The file is looked at whenever somebody shakes hands, so a certificate that is renewed there
//! needs no restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;
use tracing::{info, warn};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::config::{ConfigError, FILE_BYTES_MAX, check_base_url};

/// A server that is called: its address, and who vouches for it.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address, without path.
    pub url: &'a str,
    /// A file of certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<&'a Path>,
}

impl<'a> Server<'a> {
    /// One that is in the clear, or for which this machine's certificates vouch.
    pub fn at(url: &'a str) -> Self {
        Self { url, ca_file: None }
    }

    /// Whether it is called through TLS.
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// Refuses an address that cannot be called, and a file that vouches for nobody. `table` is
    /// where both stand, `key` what the address is called there.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn check(&self, table: &str, key: &str) -> Result<(), ConfigError> {
        check_base_url(&format!("{table} {key}"), self.url)?;
        let Some(file) = self.ca_file else {
            return Ok(());
        };
        if !self.is_tls() {
            return Err(ConfigError::new(format!(
                "`{table} ca_file` vouches for servers that are called through TLS, but `{key}` \
                 begins with http: write https there, or take `ca_file` out"
            )));
        }
        let complain = |why| ConfigError::new(format!("`{table} ca_file`: {why}"));
        certificates(file).map(drop).map_err(complain)
    }

    /// How it is called through TLS. Of an address in the clear nobody is believed.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let believer = Believer::new(self.is_tls(), self.ca_file);
        ClientConfig::builder_with_provider(Arc::clone(&believer.provider))
            .with_safe_default_protocol_versions()
            .expect("ring can do what TLS 1.2 and 1.3 ask for")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(believer))
            .with_no_client_auth()
    }
}

/// How servers are called through TLS for which this machine vouches, or `ca_file`.
///
/// # Errors
/// When the file vouches for nobody; says why.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    ca_file.map(certificates).transpose()?;
    let server = Server {
        url: "https://anywhere",
        ca_file,
    };
    Ok(TlsConnector::from(Arc::new(server.client_config())))
}

/// What this machine believes. It is read when it is needed for the first time.
pub(super) fn roots() -> &'static Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let found = rustls_native_certs::load_native_certs();
        if let Some(error) = found.errors.first() {
            warn!("not all certificates of this machine can be read: {error}");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    });
    &ROOTS
}

/// The one who looks at certificates.
#[derive(Debug)]
struct Believer {
    provider: Arc<CryptoProvider>,
    machine: Arc<RootCertStore>,
    file: Option<PathBuf>,
    // A std lock: held for a clone, never over an await.
    now: RwLock<Known>,
}

/// What the file held when it was read.
#[derive(Clone, Debug)]
struct Known {
    stamp: Option<Stamp>,
    roots: Arc<RootCertStore>,
    own: Arc<Vec<CertificateDer<'static>>>,
}

/// What changes when the file does: device, number, bytes, and when it was changed.
type Stamp = (u64, u64, u64, i64, i64);

impl Believer {
    fn new(is_tls: bool, file: Option<&Path>) -> Self {
        let machine = if is_tls {
            Arc::clone(roots())
        } else {
            Arc::new(RootCertStore::empty())
        };
        let known = Known {
            stamp: None,
            roots: Arc::clone(&machine),
            own: Arc::default(),
        };
        let believer = Self {
            provider: Arc::new(ring::default_provider()),
            machine,
            file: file.map(Path::to_owned),
            now: RwLock::new(known),
        };
        // What is wrong with the file is said now, and not when somebody is called.
        believer.look();
        believer
    }

    fn known(&self) -> Known {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// What is believed now; the file is read again if it has changed. One that is of no use
    /// changes nothing.
    fn look(&self) -> Known {
        let known = self.known();
        let Some(file) = &self.file else {
            return known;
        };
        let stamp = stamp(file);
        if stamp.is_none() || stamp == known.stamp {
            return known;
        }
        let is_first = known.stamp.is_none();
        let new = match certificates(file) {
            Ok(own) => {
                let mut roots = RootCertStore::clone(&self.machine);
                roots.add_parsable_certificates(own.iter().cloned());
                if !is_first {
                    info!(
                        "{} has changed: its certificates vouch from now on",
                        file.display()
                    );
                }
                Known {
                    stamp,
                    roots: Arc::new(roots),
                    own: Arc::new(own),
                }
            }
            Err(why) => {
                warn!("those who vouched before do so still: {why}");
                Known { stamp, ..known }
            }
        };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        *now = new.clone();
        new
    }
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let known = self.look();
        let parsed = ParsedCertificate::try_from(own)?;
        // One that lies in the file vouches for itself, even if it is not made for that.
        if known.own.contains(own) {
            check_time(own, now)?;
        } else {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let roots = &known.roots;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, now, algorithms)
                .map_err(|why| plainer(own, why))?;
        }
        verify_server_name(&parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, own, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, own, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Of one that names itself as the one who vouches for it, and is not made for that, it is to be
/// said that nobody does.
fn plainer(own: &CertificateDer<'_>, why: Error) -> Error {
    let is_odd = matches!(why, Error::InvalidCertificate(CertificateError::Other(_)));
    let is_its_own = Certificate::from_der(own).is_ok_and(|fields| {
        let fields = fields.tbs_certificate();
        fields.issuer() == fields.subject()
    });
    if is_odd && is_its_own {
        return CertificateError::UnknownIssuer.into();
    }
    why
}

fn check_time(own: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let fields = Certificate::from_der(own).map_err(|_| CertificateError::BadEncoding)?;
    let validity = fields.tbs_certificate().validity();
    let now = Duration::from_secs(now.as_secs());
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

fn stamp(file: &Path) -> Option<Stamp> {
    let file = fs::metadata(file).ok()?;
    let (device, number, n_bytes) = (file.dev(), file.ino(), file.size());
    Some((device, number, n_bytes, file.ctime(), file.ctime_nsec()))
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.display();
    let unreadable =
        |error| format!("cannot read {name}: {error}; check the path and who may read it");
    let size = fs::metadata(file).map_err(unreadable)?;
    if size.len() > FILE_BYTES_MAX {
        let n_bytes = size.len();
        return Err(format!(
            "{name} has {n_bytes} bytes, at most {FILE_BYTES_MAX} are read"
        ));
    }
    let text = fs::read(file).map_err(unreadable)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("{name} is not PEM: {error}"))?;
    if found.is_empty() {
        return Err(format!(
            "there is no certificate in {name}: it must hold one or more in PEM, each beginning \
             with -----BEGIN CERTIFICATE-----"
        ));
    }
    if found.iter().any(|one| Certificate::from_der(one).is_err()) {
        return Err(format!("a certificate in {name} is damaged: get it anew"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
