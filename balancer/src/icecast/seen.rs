//! One mount as some page of an Icecast shows it. Pure.

use stream::mount::MountPath;

/// The longest media type that is taken over.
const CONTENT_TYPE_CHARS_MAX: usize = 100;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Such as `/live.ogg`.
    pub path: MountPath,
    /// The media type; empty when it says none.
    pub content_type: String,
    /// A source is connected, or another relay.
    pub is_on_air: bool,
    /// How many listen; `None`: it says nothing that is a number.
    pub listeners: Option<u32>,
    /// How many may.
    pub limit: Limit,
}

/// How many listeners may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The page does not say.
    Unknown,
    /// The mount has no limit of its own; the server has.
    Unlimited,
    /// So many.
    Listeners(u32),
}

/// A media type that can stand on a page and in a log line; else none.
pub(super) fn media_type(text: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.len() <= CONTENT_TYPE_CHARS_MAX && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        String::new()
    }
}
