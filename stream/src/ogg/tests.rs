//! Properties of pages, framer and links: any cut, any damage.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Small deterministic pages; the body may contain `OggS` by chance or on purpose.
pub(crate) fn page(serial: u32, sequence: u32, body: &[u8]) -> Page {
    let mut lacing = vec![255; body.len() / 255];
    lacing.push((body.len() % 255) as u8);
    let stamp = Stamp {
        serial,
        sequence,
        granule: i64::from(sequence) * 1024,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &lacing, body)
}

fn frame(bytes: &[u8], cuts: &[usize]) -> (Vec<Page>, usize) {
    let mut framer = Framer::new();
    let (mut pages, mut n_junk) = (Vec::new(), 0);
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut input = &bytes[start.min(end)..end.max(start)];
        start = end.max(start);
        while let Some(found) = framer.next(&mut input) {
            match found {
                Found::Page(page) => pages.push(page),
                Found::Junk { n_bytes, .. } => n_junk += n_bytes,
            }
        }
        assert!(input.is_empty(), "the framer takes all it is given");
        assert!(framer.n_held() <= PAGE_BYTES_MAX);
    }
    (pages, n_junk + framer.n_held())
}

#[test]
fn a_page_cut_at_every_position_is_found_whole() {
    let pages = [page(1, 0, b"first"), page(1, 1, &[7; 600]), page(1, 2, b"")];
    let bytes: Vec<u8> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
    for cut in 0..=bytes.len() {
        assert_eq!(frame(&bytes, &[cut]), (pages.to_vec(), 0), "cut at {cut}");
    }
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(frame(&bytes, &every_byte), (pages.to_vec(), 0));
}

#[test]
fn a_page_is_read_as_it_was_built() {
    let built = page(9, 3, &[1; 510]);
    assert_eq!(built.lacing(), [255, 255, 0]);
    assert_eq!(
        built.packets().collect::<Vec<_>>(),
        [(&[1u8; 510][..], true)]
    );
    assert_eq!(Page::parse(built.bytes().clone()), Ok(built.clone()));
    let stamp = Stamp {
        serial: 5,
        sequence: 6,
        is_last: true,
        ..built.stamp()
    };
    let again = built.restamped(stamp);
    assert_eq!((again.stamp(), again.body()), (stamp, built.body()));
    assert_eq!(Page::parse(again.bytes().clone()), Ok(again));
}

#[test]
fn the_ogg_crate_agrees_about_our_checksums() {
    let pages = [page(1, 0, b"first"), page(1, 1, &[7; 600])];
    let bytes: Vec<u8> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(bytes));
    assert_eq!(reader.read_packet().unwrap().unwrap().data, b"first");
    assert_eq!(reader.read_packet().unwrap().unwrap().data, [7; 600]);
}

#[test]
fn a_false_beginning_inside_sound_is_stepped_over() {
    let inner = page(2, 7, b"a whole page inside another page's body");
    let outer = page(1, 1, inner.bytes());
    let mut bytes = outer.bytes().to_vec();
    assert_eq!(frame(&bytes, &[]).0, [outer]);
    // With the outer page damaged the inner one is a page like any other.
    bytes[22] ^= 1;
    assert_eq!(frame(&bytes, &[]).0, [inner]);
}

proptest! {
    #[test]
    fn damage_costs_only_the_pages_it_hits(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 3..8),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let pages: Vec<Page> =
            bodies.iter().zip(0..).map(|(body, n)| page(1, n, body)).collect();
        let mut bytes: Vec<u8> = pages.iter().flat_map(|p| p.bytes().to_vec()).collect();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len())).collect();
        cuts.sort_unstable();
        // A damaged length may claim what follows; enough of it must come to see that.
        bytes.extend(std::iter::repeat_n(0, PAGE_BYTES_MAX));
        let (found, n_junk) = frame(&bytes, &cuts);
        let n_found: usize = found.iter().map(Page::len).sum();
        prop_assert_eq!(n_found + n_junk, bytes.len(), "every byte is in a page or counted");
        let mut start = 0;
        for page in &pages {
            let is_hit = (start..start + page.len()).contains(&at);
            prop_assert_eq!(found.contains(page), !is_hit);
            start += page.len();
        }
    }

    #[test]
    fn noise_never_panics_and_never_makes_a_page(
        noise in proptest::collection::vec(any::<u8>(), 0..4000),
    ) {
        let (found, n_junk) = frame(&noise, &[noise.len() / 3]);
        prop_assert!(found.is_empty());
        prop_assert_eq!(n_junk, noise.len());
        prop_assert!(Page::parse(Bytes::from(noise)).is_err());
    }

    #[test]
    fn links_survive_any_order_of_pages(
        order in proptest::collection::vec((0u32..3, 0u32..4, any::<bool>()), 0..40),
    ) {
        let mut links = Links::new();
        for (serial, sequence, is_vorbis) in order {
            let body: &[u8] = if is_vorbis { b"\x01vorbis" } else { b"OpusHead\x01\x02" };
            let _ = links.take(&page(serial, sequence, body));
        }
    }
}

/// The header pages of an Opus stream, and data pages after them.
pub(crate) fn opus(serial: u32, n_data: u32) -> Vec<Page> {
    let head = page(serial, 0, b"OpusHead\x01\x02\0\0\0\0\0\0\0\0\0");
    let tags = page(
        serial,
        1,
        b"OpusTags\x01\0\0\0v\x01\0\0\0\x09\0\0\0TITLE=abc",
    );
    let data = (2..2 + n_data).map(|n| page(serial, n, &[n as u8; 90]));
    [head, tags].into_iter().chain(data).collect()
}

#[test]
fn headers_are_told_from_data_also_in_a_chain() {
    let mut links = Links::new();
    for serial in [1, 2] {
        let pages = opus(serial, 2);
        assert!(matches!(links.take(&pages[0]), Ok(Role::Start)));
        let Ok(Role::HeadersComplete(link)) = links.take(&pages[1]) else {
            panic!("two packets are the headers of Opus")
        };
        assert_eq!(link.tag("TITLE"), Some("abc"));
        assert_eq!(link.clock(), Some((serial, 48_000)));
        assert_eq!(link.prefix.len(), pages[0].len() + pages[1].len());
        assert!(matches!(links.take(&pages[2]), Ok(Role::Data(_))));
    }
    assert_eq!(
        links.take(&opus(1, 1)[2]).unwrap_err(),
        Stray::UnknownSerial
    );
}
