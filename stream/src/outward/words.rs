//! What goes wrong when somebody is called, in words that say what to do. Pure.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Where a certificate is put that is to vouch for somebody.
const HERE: &str = "put it among those of this machine (update-ca-certificates)";
/// The same, where the settings have a key for it.
const HERE_OR_IN_A_FILE: &str = "name its file in `ca_file` beside the address, or put it among \
     those of this machine (update-ca-certificates)";

/// The innermost cause says what happened; the outer ones that something did.
pub fn cause(error: &(dyn Error + 'static)) -> String {
    told(error, HERE)
}

/// The same of a server beside whose address a `ca_file` may stand.
pub fn cause_beside_ca_file(error: &(dyn Error + 'static)) -> String {
    told(error, HERE_OR_IN_A_FILE)
}

/// Whether it ended because the server's certificate is not believed: that does not mend itself.
pub fn is_of_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn told(error: &(dyn Error + 'static), place: &str) -> String {
    let mut innermost = error;
    loop {
        if let Some(why) = of_tls(innermost, place) {
            return why;
        }
        match innermost.source() {
            Some(inner) => innermost = inner,
            None => return innermost.to_string(),
        }
    }
}

/// What TLS says, if it is that; an error of a socket hides it.
fn of_tls(error: &(dyn Error + 'static), place: &str) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(plain(error, place));
    }
    let error = error.downcast_ref::<io::Error>()?;
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Some("the connection broke off".to_owned());
    }
    of_tls(error.get_ref()?, place)
}

fn plain(error: &rustls::Error, place: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => of_certificate(why, place),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS at this port: its address begins with http, or has another port"
                .to_owned()
        }
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        ) => "it speaks neither TLS 1.3 nor 1.2 in a way that is known here: its operator has to \
             change that"
            .to_owned(),
        other => format!("TLS with it failed: {other}"),
    }
}

fn of_certificate(why: &CertificateError, place: &str) -> String {
    use CertificateError as E;
    let text = match why {
        // The last two: somebody of the same name is known, but it is another one.
        E::UnknownIssuer
        | E::BadSignature
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            return format!(
                "nobody who is known here vouches for its certificate: if its operator made it \
                 himself, ask him for the certificate that vouches for it, and {place}"
            );
        }
        E::Expired | E::ExpiredContext { .. } => {
            "its certificate has expired: its operator has to renew it, unless the clock here is \
             wrong"
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet: look at the clock here, and there"
        }
        E::NotValidForName => {
            "its certificate is for another name: use the name that it was made for in the address"
        }
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            return of_name(&expected.to_str(), presented);
        }
        other => {
            return format!(
                "its certificate is of no use: {other}: its operator has to make another"
            );
        }
    };
    text.to_owned()
}

fn of_name(expected: &str, presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().map(|name| shown(name)).collect();
    let names = if names.is_empty() {
        "no name at all".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "its certificate is not for {expected} but for {names}: use a name that it was made for in \
         the address, or have its operator add this one"
    )
}

/// `DnsName("localhost")` as people write it.
fn shown(name: &str) -> &str {
    let inside = name.split_once('(').map_or(name, |(_, rest)| rest);
    inside.trim_end_matches(')').trim_matches('"')
}
