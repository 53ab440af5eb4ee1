//! Request heads: whatever comes, and wherever the network cuts it, the same is read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stream::http::head::{HEAD_BYTES_MAX, Head};

fuzz_target!(|bytes: &[u8]| {
    let whole = Head::parse(bytes);
    let Ok(Some(head)) = &whole else {
        return;
    };
    assert!(head.n_bytes <= bytes.len() && head.n_bytes <= HEAD_BYTES_MAX);
    let _ = head.query_value("burst");
    // Somebody who sends byte after byte is read as one who sends all at once.
    for n_bytes in 0..head.n_bytes {
        let early = Head::parse(&bytes[..n_bytes]);
        assert!(matches!(early, Ok(None)), "{n_bytes} bytes are {early:?}");
    }
    let alone = Head::parse(&bytes[..head.n_bytes]);
    let Ok(Some(alone)) = alone else {
        panic!("without what follows it is {alone:?}");
    };
    assert_eq!(format!("{alone:?}"), format!("{head:?}"));
});
