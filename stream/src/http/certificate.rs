//! The certificate that a server shows: read from two files, watched, and swapped when they
//! change, without a restart and without anybody who is connected noticing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio::time::sleep;
use tracing::{info, warn};
use x509_cert::Certificate as Fields;
use x509_cert::der::Decode;

use crate::config::{ConfigError, FILE_BYTES_MAX};
use crate::shutdown::Shutdown;

/// What a new certificate is called among settings that have changed.
pub const CERTIFICATE: &str = "the certificate";
/// How often the files are looked at.
pub(super) const WATCH_EVERY: Duration = Duration::from_secs(10);
/// From a change to the reading: whoever writes one file is about to write the other.
const SETTLE: Duration = Duration::from_secs(1);
/// From so many days before the end on, the log warns once a day.
const WARN_DAYS: i64 = 14;

/// Where certificate and key lie, as it stands in the settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate and those that vouch for it, in PEM, its own first.
    pub certificate: PathBuf,
    /// The private key that belongs to it, in PEM.
    pub key: PathBuf,
}

/// A certificate with its key, and when it expires.
#[derive(Clone, Debug)]
struct Certificate {
    certified: Arc<CertifiedKey>,
    expires: Timestamp,
    /// Of the files when it was read.
    stamp: Option<[Stamp; 2]>,
}

/// What changes when a file does, or who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    number: u64,
    n_bytes: u64,
    /// Seconds and their billionths: when it was written, and when anything about it was changed.
    written: (i64, i64),
    changed: (i64, i64),
}

/// The certificate now.
#[derive(Debug)]
pub struct Certificates {
    files: CertificateFiles,
    // A std lock: held for a clone, never over an await.
    now: RwLock<Certificate>,
}

impl CertificateFiles {
    /// Whether the files can be used.
    ///
    /// # Errors
    /// Names the file and what to do about it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.load().map(drop)
    }

    fn load(&self) -> Result<Certificate, ConfigError> {
        let stamp = self.stamp();
        let (file, key_file) = (self.certificate.display(), self.key.display());
        let complain = |text: String| ConfigError::new(format!("[tls] {text}"));
        let chain = CertificateDer::pem_slice_iter(&read("certificate", &self.certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| complain(format!("`certificate`: {file} is not PEM: {error}")))?;
        let Some(own) = chain.first() else {
            return Err(complain(format!(
                "`certificate`: there is no certificate in {file}: it must hold one in PEM, \
                 beginning with -----BEGIN CERTIFICATE-----"
            )));
        };
        let expires = expiry(own).ok_or_else(|| {
            complain(format!(
                "`certificate`: the first certificate in {file} is damaged: get it anew"
            ))
        })?;
        let key = PrivateKeyDer::from_pem_slice(&read("key", &self.key)?).map_err(|error| {
            complain(match error {
                PemError::NoItemsFound => format!(
                    "`key`: there is no private key in {key_file}: it must hold one in PEM, \
                     without a passphrase"
                ),
                error => format!("`key`: {key_file} is not PEM: {error}"),
            })
        })?;
        let certified =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
                complain(match error {
                    rustls::Error::InconsistentKeys(_) => format!(
                        "the key in {key_file} does not belong to the certificate in {file}: \
                         take both from one issue, and let the station's own certificate come \
                         first in the file"
                    ),
                    error => format!("cannot use {key_file} with {file}: {error}"),
                })
            })?;
        Ok(Certificate {
            certified: Arc::new(certified),
            expires,
            stamp,
        })
    }

    /// `None`: one of them is not there.
    fn stamp(&self) -> Option<[Stamp; 2]> {
        let stamp = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            Some(Stamp {
                device: file.dev(),
                number: file.ino(),
                n_bytes: file.size(),
                written: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            })
        };
        Some([stamp(&self.certificate)?, stamp(&self.key)?])
    }
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Names the file and what to do about it.
    pub(super) fn load(files: CertificateFiles) -> Result<Self, ConfigError> {
        let now = RwLock::new(files.load()?);
        Ok(Self { files, now })
    }

    /// When the certificate expires.
    pub fn expires(&self) -> Timestamp {
        self.now().expires
    }

    fn now(&self) -> Certificate {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// Reads the files again, whatever they look like. Says whether another certificate is shown
    /// from now on; if they are of no use, it is the old one.
    pub fn renew(&self) -> bool {
        let swapped = self.swap();
        match &swapped {
            Ok(true) => self.tell("TLS from now on with", &mut None),
            Ok(false) => {}
            Err(why) => warn!("the old certificate stays in use: {why}"),
        }
        swapped.unwrap_or(false)
    }

    /// Looks at the files every now and then, until the program stops. Those who shake hands
    /// after a change see the new certificate; if it is of no use, the old one, and the files are
    /// tried again each time.
    pub(super) async fn watch(self: Arc<Self>, every: Duration, shutdown: Shutdown) {
        let (mut told, mut complaint) = (None, None);
        self.tell("TLS with", &mut told);
        while shutdown.unless_requested(sleep(every)).await.is_some() {
            if self.is_outdated() {
                if shutdown
                    .unless_requested(sleep(SETTLE.min(every)))
                    .await
                    .is_none()
                {
                    return;
                }
                self.follow(&mut told, &mut complaint);
            }
            self.warn_in_time(&mut told);
        }
    }

    /// Whether the files are not those that were read.
    fn is_outdated(&self) -> bool {
        let stamp = self.files.stamp();
        stamp.is_some() && stamp != self.now().stamp
    }

    /// Shows what is in the files. What is wrong with them is said once: `complaint` was said last.
    fn follow(&self, told: &mut Option<i64>, complaint: &mut Option<ConfigError>) {
        match self.swap() {
            Ok(is_new) => {
                *complaint = None;
                if is_new {
                    *told = None;
                    self.tell("TLS from now on with", told);
                }
            }
            Err(why) if complaint.as_ref() != Some(&why) => {
                warn!("the old certificate stays in use: {why}");
                *complaint = Some(why);
            }
            Err(_) => {}
        }
    }

    /// Whether it is another certificate.
    fn swap(&self) -> Result<bool, ConfigError> {
        let new = self.files.load()?;
        let is_new = new.certified.cert != self.now().certified.cert;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(is_new)
    }

    fn tell(&self, begin: &str, told: &mut Option<i64>) {
        let file = self.files.certificate.display();
        info!("{begin} {file}, which expires at {}", self.expires());
        self.warn_in_time(told);
    }

    /// Warns once for each of the last days. `told` is the day that was told last.
    fn warn_in_time(&self, told: &mut Option<i64>) {
        let days = days_until(self.expires(), Timestamp::now());
        if days >= WARN_DAYS || *told == Some(days) {
            return;
        }
        *told = Some(days);
        let file = self.files.certificate.display();
        if days < 0 {
            warn!("the certificate in {file} has expired: players refuse it; renew it");
        } else {
            warn!("the certificate in {file} expires in {days} days: renew it");
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().certified)
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let complain = |what: String| {
        ConfigError::new(format!(
            "[tls] `{key}`: cannot read {}: {what}",
            path.display()
        ))
    };
    let size = fs::metadata(path).map_err(|error| complain(remedy(&error)))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(complain(format!(
            "it has {} bytes, at most {FILE_BYTES_MAX} are read",
            size.len()
        )));
    }
    fs::read(path).map_err(|error| complain(remedy(&error)))
}

fn remedy(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{error}; let the group of this program read it: chgrp plenum, chmod 640")
        }
        _ => format!("{error}; check the path"),
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let fields: Fields = Fields::from_der(certificate).ok()?;
    let until = fields.tbs_certificate().validity().not_after;
    let seconds = i64::try_from(until.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

/// Whole days that are left; less than 0 when it is over.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    (end.as_second() - now.as_second()).div_euclid(24 * 60 * 60)
}

#[cfg(test)]
mod tests;
