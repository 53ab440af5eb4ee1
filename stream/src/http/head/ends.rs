//! Line ends as old clients write them, for those who read no others than `\r\n`. Pure.

/// A head with `\r\n` at the end of each line, how many bytes of `front` it was, and whether it has
/// ended. For those who read no other ends.
pub(in crate::http) fn with_plain_ends(front: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut plain, mut n_read, mut has_ended) = (Vec::with_capacity(front.len()), 0, false);
    for line in front.split_inclusive(|b| *b == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        n_read += line.len();
        let n_returns = text.iter().rev().take_while(|b| **b == b'\r').count();
        let text = &text[..text.len() - n_returns];
        plain.extend_from_slice(text);
        plain.extend_from_slice(b"\r\n");
        if text.is_empty() {
            has_ended = true;
            break;
        }
    }
    (plain, n_read, has_ended)
}
