//! Pages of Ogg, portions of MP3 and AAC, clusters of WebM: however the bytes are cut, the same pages
//! are found, and whoever reads them in a log finds them again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stream::mpeg::Sniffer;
use stream::ogg::{Found, Page};

fn pages<'a>(mut sniffer: Sniffer, portions: impl Iterator<Item = &'a [u8]>) -> Vec<Page> {
    let mut pages = Vec::new();
    for mut portion in portions {
        while let Some(found) = sniffer.next(&mut portion) {
            if let Found::Page(page) = found {
                pages.push(page);
            }
        }
    }
    pages.extend(sniffer.finish());
    pages
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let found = pages(Sniffer::new(), [rest].into_iter());
    let n_bytes = usize::from(*first).max(1);
    assert_eq!(found, pages(Sniffer::new(), rest.chunks(n_bytes)));
    let mut log = Vec::new();
    for page in &found {
        assert_eq!(Page::parse(page.bytes().clone()).as_ref(), Ok(page));
        log.extend_from_slice(page.bytes());
    }
    let again: usize = pages(Sniffer::trusting(), [log.as_slice()].into_iter())
        .iter()
        .map(|page| page.bytes().len())
        .sum();
    assert_eq!(again, log.len(), "of the log");
});
