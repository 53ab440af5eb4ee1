//! What plays on a mount now, said beside the stream and not in it. Pure.

use std::sync::Arc;

/// A longer title is cut: so it fits into a block of ICY metadata, whatever it is made of.
pub const TITLE_BYTES_MAX: usize = 1000;

/// A title as it may be shown and sent: without control characters, not too long. `None`: there
/// is nothing left of it.
pub(super) fn clean(title: &str) -> Option<Arc<str>> {
    let mut clean = String::new();
    for c in title.trim().chars().filter(|c| !c.is_control()) {
        if clean.len() + c.len_utf8() > TITLE_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    (!clean.is_empty()).then(|| clean.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_no_control_characters_and_is_cut_between_characters() {
        assert_eq!(clean(" a\r\nb\0 ").as_deref(), Some("ab"));
        assert_eq!(clean("\n \t"), None);
        let long = clean(&"ü".repeat(600)).unwrap();
        assert_eq!(long.len(), TITLE_BYTES_MAX);
        let odd = clean(&format!("x{}", "ü".repeat(600))).unwrap();
        assert_eq!(odd.len(), TITLE_BYTES_MAX - 1);
    }
}
