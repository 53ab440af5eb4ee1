//! What one probe found out about a relay, and what speaks for it. Pure.

use jiff::Timestamp;
use serde::Serialize;
use stream::mount::MountPath;

/// Bytes shown of each side where they differ.
pub const SHOWN_BYTES: usize = 16;

/// By which kind of address a relay was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A.
    Ipv4,
    /// AAAA.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

/// What one probe comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A listener hears what he should.
    Good {
        /// The bytes were compared with the master's; else only that there is sound.
        is_compared: bool,
    },
    /// It says nothing about the relay: the master is silent, or this machine has no way there.
    Unclear(String),
    /// It may have been chance.
    Soft(Evidence),
    /// No chance brings this about.
    Hard(Evidence),
}

/// The kinds of faults, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nobody answers at that address.
    Refused,
    /// Nothing comes in time.
    Late,
    /// The answer is no stream: another status, a page, a redirect.
    NoStream,
    /// It is a stream, but of bytes that the master never sent.
    WrongBytes,
    /// They are the master's, but from a while ago.
    Old,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Refused,
        Self::Late,
        Self::NoStream,
        Self::WrongBytes,
        Self::Old,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Late => "late",
            Self::NoStream => "no_stream",
            Self::WrongBytes => "wrong_bytes",
            Self::Old => "old",
        }
    }

    /// Only bytes compared with the master's can show that this is over.
    pub fn is_about_bytes(self) -> bool {
        matches!(self, Self::WrongBytes | Self::Old)
    }
}

/// What speaks against a relay: for the log and for the operator's page, not for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What is wrong.
    pub fault: Fault,
    /// What was asked for.
    pub mount: MountPath,
    /// Where: the relay's public address and port.
    pub address: String,
    /// By which kind of address.
    pub family: Family,
    /// What came, in a sentence.
    pub what: String,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Where the first bytes are that are wrong.
    pub difference: Option<Difference>,
    /// When.
    pub at: Timestamp,
}

/// The first place where a relay's bytes are not the master's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The logical stream; frames are of none.
    pub serial: Option<u32>,
    /// The page of it.
    pub sequence: Option<u32>,
    /// The place in the log, where both count alike, of the page or of the first frame.
    pub offset: Option<u64>,
    /// The first byte from there on that differs.
    pub byte: usize,
    /// What the relay has from there on, in hexadecimal digits.
    pub relay: String,
    /// What the master has; empty when it never had such a page.
    pub master: String,
}

impl Evidence {
    /// One line for the log.
    pub fn sentence(&self) -> String {
        let Self {
            mount,
            address,
            what,
            ..
        } = self;
        let mut sentence = format!("{mount} at {address}: {what}");
        if let Some(difference) = &self.difference {
            sentence += &difference.words();
        }
        sentence
    }
}

impl Difference {
    fn words(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(sequence), Some(serial)) = (self.sequence, self.serial) {
            parts.push(format!("page {sequence} of stream {serial:08x}"));
        }
        if let Some(offset) = self.offset {
            parts.push(format!("offset {offset}"));
        }
        parts.push(format!("byte {}: relay {}", self.byte, self.relay));
        if !self.master.is_empty() {
            parts.push(format!("master {}", self.master));
        }
        format!(" ({})", parts.join(", "))
    }
}

/// A few bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES);
    shown.map(|byte| format!("{byte:02x}")).collect()
}
