//! What pages say of their streams: headers, codecs, lengths. The checksums of what comes are set
//! right first, or nothing would get this far.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use stream::ogg::{Links, Page};

/// Bytes before the segment table (RFC 3533 §6).
const HEADER_BYTES: usize = 27;

/// RFC 3533 §6, field 8: the polynomial 0x04c11db7, nothing reflected.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The next page, made of what comes.
fn page(bytes: &mut &[u8]) -> Option<Page> {
    let (head, rest) = bytes.split_at_checked(HEADER_BYTES - 6)?;
    let (n_segments, rest) = rest.split_first()?;
    let (table, rest) = rest.split_at_checked(usize::from(*n_segments))?;
    let n_body: usize = table.iter().map(|lacing| usize::from(*lacing)).sum();
    let (body, rest) = rest.split_at(n_body.min(rest.len()));
    *bytes = rest;
    let mut page = b"OggS\0".to_vec();
    page.extend_from_slice(&head[..17]);
    page.extend_from_slice(&[0; 4]);
    page.push(*n_segments);
    page.extend_from_slice(table);
    page.extend_from_slice(body);
    page.resize(HEADER_BYTES + table.len() + n_body, 0);
    let crc = crc(&page);
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    Some(Page::parse(Bytes::from(page)).expect("it was made right"))
}

fuzz_target!(|bytes: &[u8]| {
    let (mut links, mut bytes) = (Links::new(), bytes);
    while let Some(page) = page(&mut bytes) {
        let _ = links.take(&page);
        if let Some(link) = links.current() {
            let _ = (link.clock(), link.tag("TITLE"));
        }
    }
});
