//! Elements of WebM and Matroska: however the bytes are cut, the same clusters are found, each of them
//! whole, and a relay finds the very same ones in the log.

#![no_main]

use fuzz::pages;
use libfuzzer_sys::fuzz_target;
use stream::ogg::{Found, Page};
use stream::webm::{CLUSTER_BYTES_MAX, Cutter, Framer, Head};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let _ = Head::parse(rest);
    let n_bytes = usize::from(*first).max(1);
    let (mut whole, mut cut) = (Framer::new(), Framer::new());
    let mut found = pages(|piece| whole.next(piece), [rest]);
    assert_eq!(pages(|piece| cut.next(piece), rest.chunks(n_bytes)), found);
    found.extend(whole.finish());
    let mut log = Vec::new();
    for page in &found {
        assert!(page.len() <= CLUSTER_BYTES_MAX);
        assert_eq!(Page::parse(page.bytes().clone()).as_ref(), Ok(page));
        log.extend_from_slice(page.bytes());
    }
    let (mut cutter, mut again) = (Cutter::new(), Vec::new());
    for mut piece in log.chunks(n_bytes) {
        while let Some(next) = cutter.next(&mut piece) {
            match next {
                Found::Page(page) => again.push(page),
                Found::Junk { .. } => panic!("{next:?} in a log"),
            }
        }
    }
    assert_eq!((again, cutter.held()), (found, &[][..]));
    let mut input = rest;
    let mut cutter = Cutter::new();
    while cutter.next(&mut input).is_some() {}
});
