//! What a proxy says before a connection's first byte: for whom it connects (PROXY protocol,
//! versions 1 and 2). Only what a trusted proxy sends is read this way. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Version 1 is one line of at most this many bytes.
const LINE_BYTES_MAX: usize = 107;
const LINE_START: &[u8] = b"PROXY ";
/// Version 2 begins with these bytes, then comes command, family and length.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_BYTES: usize = 16;
/// What else a proxy adds is not read beyond this.
const ADDED_BYTES_MAX: usize = 2048;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// More bytes are needed to say so.
    Unclear,
    /// Nobody speaks for somebody else.
    No,
    /// Nonsense.
    Bad,
    /// The proxy connects for this address (`None`: for itself), in so many bytes.
    For(Option<IpAddr>, usize),
}

/// Looks at the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Proxied {
    if bytes.starts_with(SIGNATURE) {
        binary(bytes)
    } else if bytes.starts_with(LINE_START) {
        line(bytes)
    } else if SIGNATURE.starts_with(bytes) || LINE_START.starts_with(bytes) {
        Proxied::Unclear
    } else {
        Proxied::No
    }
}

fn line(bytes: &[u8]) -> Proxied {
    let front = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = front.windows(2).position(|two| two == b"\r\n") else {
        let is_over = bytes.len() >= LINE_BYTES_MAX;
        return if is_over {
            Proxied::Bad
        } else {
            Proxied::Unclear
        };
    };
    let text = front
        .get(..end)
        .and_then(|line| std::str::from_utf8(line).ok());
    let mut words = text.unwrap_or("").split(' ').skip(1);
    let n_bytes = end + 2;
    match (words.next(), words.next().map(str::parse::<IpAddr>)) {
        (Some("UNKNOWN"), _) => Proxied::For(None, n_bytes),
        (Some("TCP4"), Some(Ok(from @ IpAddr::V4(_))))
        | (Some("TCP6"), Some(Ok(from @ IpAddr::V6(_)))) => {
            // Its own address and both ports.
            if words.count() == 3 {
                Proxied::For(Some(from.to_canonical()), n_bytes)
            } else {
                Proxied::Bad
            }
        }
        _ => Proxied::Bad,
    }
}

fn binary(bytes: &[u8]) -> Proxied {
    let Some(&[command, family, high, low]) = bytes
        .get(SIGNATURE.len()..FIXED_BYTES)
        .and_then(|four| four.first_chunk::<4>())
    else {
        return Proxied::Unclear;
    };
    let n_added = usize::from(u16::from_be_bytes([high, low]));
    if n_added > ADDED_BYTES_MAX {
        return Proxied::Bad;
    }
    let n_bytes = FIXED_BYTES + n_added;
    let Some(added) = bytes.get(FIXED_BYTES..n_bytes) else {
        return Proxied::Unclear;
    };
    let from = match (command, family) {
        // The proxy itself, as when it looks whether we are well.
        (0x20, _) => return Proxied::For(None, n_bytes),
        (0x21, 0x11) if n_added >= 12 => {
            added.first_chunk::<4>().map(|a| Ipv4Addr::from(*a).into())
        }
        (0x21, 0x21) if n_added >= 36 => {
            added.first_chunk::<16>().map(|a| Ipv6Addr::from(*a).into())
        }
        (0x21, 0x00) => return Proxied::For(None, n_bytes),
        _ => None,
    };
    match from {
        Some(from) => Proxied::For(Some(IpAddr::to_canonical(&from)), n_bytes),
        None => Proxied::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(command: u8, family: u8, added: &[u8]) -> Vec<u8> {
        let n_added = u16::try_from(added.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &n_added, added].concat()
    }

    fn for_ip(text: &str, n_bytes: usize) -> Proxied {
        Proxied::For(Some(text.parse().unwrap()), n_bytes)
    }

    #[test]
    fn both_versions_are_read_wherever_they_are_cut() {
        let six: Vec<u8> = [&[0x20, 1, 0xd, 0xb8], &[0; 11][..], &[7], &[0; 20]].concat();
        let cases = [
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 8000\r\n".to_vec(),
                Some("192.0.2.1"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4711 8000\r\n".to_vec(),
                Some("2001:db8::7"),
            ),
            (b"PROXY UNKNOWN what ever\r\n".to_vec(), None),
            (
                two(0x21, 0x11, &[192, 0, 2, 1, 127, 0, 0, 1, 1, 2, 3, 4]),
                Some("192.0.2.1"),
            ),
            (two(0x21, 0x21, &six), Some("2001:db8::7")),
            (two(0x20, 0x00, &[]), None),
            (two(0x21, 0x00, &[7; 3]), None),
            (
                two(0x21, 0x11, &[[192, 0, 2, 1].as_slice(), &[0; 100]].concat()),
                Some("192.0.2.1"),
            ),
        ];
        for (bytes, from) in cases {
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Proxied::Unclear, "{bytes:?} at {cut}");
            }
            let whole = [bytes.as_slice(), b"GET / HTTP/1.0\r\n\r\n"].concat();
            let expected = match from {
                Some(from) => for_ip(from, bytes.len()),
                None => Proxied::For(None, bytes.len()),
            };
            assert_eq!(read(&whole), expected, "{bytes:?}");
        }
    }

    #[test]
    fn nonsense_is_told_from_those_who_speak_for_themselves() {
        for bytes in [
            b"PROXY TCP4 nowhere 192.0.2.2 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1\r\n".to_vec(),
            [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
            two(0x21, 0x11, &[1, 2, 3]),
            two(0x31, 0x11, &[0; 12]),
            two(0x21, 0x11, &[0; 3000]),
        ] {
            assert_eq!(read(&bytes), Proxied::Bad, "{bytes:?}");
        }
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"PROPFIND",
            b"\r\nGET",
            b"\x16\x03",
        ] {
            assert_eq!(read(bytes), Proxied::No);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_there(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        ) {
            for start in [SIGNATURE, LINE_START, b"PROXY TCP4 1.2.3.4 ", b""] {
                let whole = [start, &bytes].concat();
                if let Proxied::For(_, n_bytes) = read(&whole) {
                    assert!(n_bytes <= whole.len());
                }
            }
        }
    }
}
