//! Frames of MP3 and AAC: however the bytes are cut, the same portions are found, each of them whole
//! frames of one kind, and another framer that goes on in the middle finds no others.

#![no_main]

use fuzz::pages;
use libfuzzer_sys::fuzz_target;
use stream::mpeg::{Frame, Framer};
use stream::ogg::Page;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let _ = Frame::parse(rest);
    let n_bytes = usize::from(*first).max(1);
    let (mut whole, mut cut) = (Framer::new(), Framer::new());
    let mut found = pages(|piece| whole.next(piece), [rest]);
    assert_eq!(pages(|piece| cut.next(piece), rest.chunks(n_bytes)), found);
    let last = whole.finish();
    assert_eq!(cut.finish(), last);
    found.extend(last);
    let mut log = Vec::new();
    for page in &found {
        let mut at = 0;
        while at < page.len() {
            let frame = Frame::parse(&page.bytes()[at..]).expect("whole frames");
            assert_eq!(Some(frame.sound), page.frame().map(|first| first.sound));
            at += frame.n_bytes;
        }
        assert_eq!(at, page.len());
        log.extend_from_slice(page.bytes());
    }
    let mut trusting = Framer::trusting();
    let mut again = pages(|piece| trusting.next(piece), [log.as_slice()]);
    again.extend(trusting.finish());
    let n_again: usize = again.iter().map(Page::len).sum();
    assert_eq!(n_again, log.len(), "of the log");
});
