//! Chunked bodies: however they are cut, the same comes out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stream::http::chunked::Chunked;

fn body<'a>(portions: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, bool, bool) {
    let (mut chunked, mut body) = (Chunked::default(), Vec::new());
    for mut portion in portions {
        loop {
            match chunked.next(&mut portion) {
                Ok([]) => break,
                Ok(piece) => body.extend_from_slice(piece),
                Err(_) => return (body, chunked.has_ended(), true),
            }
        }
    }
    (body, chunked.has_ended(), false)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let n_bytes = usize::from(*first).max(1);
    assert_eq!(body([rest].into_iter()), body(rest.chunks(n_bytes)));
});
