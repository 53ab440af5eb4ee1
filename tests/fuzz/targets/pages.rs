//! Pages of Ogg, portions of MP3 and AAC, clusters of WebM: however the bytes are cut, the same pages
//! are found, and whoever reads them in a log finds them again.

#![no_main]

use fuzz::pages;
use libfuzzer_sys::fuzz_target;
use stream::mpeg::Sniffer;
use stream::ogg::Page;

/// To the end of the stream.
fn all<'a>(mut sniffer: Sniffer, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Page> {
    let mut found = pages(|piece| sniffer.next(piece), pieces);
    found.extend(sniffer.finish());
    found
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let found = all(Sniffer::new(), [rest]);
    let n_bytes = usize::from(*first).max(1);
    assert_eq!(found, all(Sniffer::new(), rest.chunks(n_bytes)));
    let mut log = Vec::new();
    for page in &found {
        assert_eq!(Page::parse(page.bytes().clone()).as_ref(), Ok(page));
        log.extend_from_slice(page.bytes());
    }
    let again: usize = all(Sniffer::trusting(), [log.as_slice()])
        .iter()
        .map(|page| page.bytes().len())
        .sum();
    assert_eq!(again, log.len(), "of the log");
});
