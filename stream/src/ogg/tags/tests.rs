//! Headers with other tags: what is not of them stays as it is, and lies are refused.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::log::account::header_pages;
use crate::ogg::modes::tests::setup;
use crate::ogg::tests::{opus, page};
use crate::ogg::{Links, Role};

fn tags(title: Option<&str>, artist: Option<&str>) -> Tags {
    Tags {
        title: title.map(str::to_owned),
        artist: artist.map(str::to_owned),
    }
}

/// The headers of a Vorbis stream, a page each.
fn vorbis() -> Vec<Page> {
    let mut first = b"\x01vorbis\0\0\0\0\x02".to_vec();
    first.extend_from_slice(&48_000u32.to_le_bytes());
    first.extend_from_slice(&[0; 12]);
    first.extend_from_slice(&[0xb8, 1]);
    let comments = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";
    vec![
        page(3, 0, &first),
        page(3, 1, comments),
        page(3, 2, &setup(&[false, true])),
    ]
}

fn list(vendor: &[u8], comments: &[Vec<u8>]) -> Vec<u8> {
    let mut made = Vec::new();
    put(&mut made, vendor).unwrap();
    made.extend_from_slice(&(comments.len() as u32).to_le_bytes());
    comments.iter().for_each(|one| put(&mut made, one).unwrap());
    made
}

fn comments(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

#[test]
fn title_and_artist_are_replaced_and_the_rest_stays_byte_for_byte() {
    let before = comments(&[
        b"title=a",
        b"TITLETRACK=kept",
        b"Artist=b",
        b"no name\xff",
        b"TiTlE=c",
        b"=",
        b"ARTIST",
    ]);
    let kept = comments(&[b"TITLETRACK=kept", b"no name\xff", b"=", b"ARTIST"]);
    let end = b"\x01 and more";
    let before = [&list(b"v\xfe", &before), &end[..]].concat();
    for (tags, own) in [
        (tags(None, None), comments(&[])),
        (tags(Some("n"), None), comments(&[b"TITLE=n"])),
        (
            tags(Some("n"), Some("")),
            comments(&[b"TITLE=n", b"ARTIST="]),
        ),
    ] {
        let wanted = list(b"v\xfe", &[own, kept.clone()].concat());
        let wanted = [&wanted, &end[..]].concat();
        assert_eq!(retagged(&before, &tags), Some(wanted));
    }
}

#[test]
fn each_codec_gets_a_link_with_the_tags_and_its_other_headers() {
    let flac = |last: u8| {
        let list = list(b"v", &comments(&[b"title=old", b"ALBUM=x"]));
        let block = [&[4, 0, 0, list.len() as u8][..], &list].concat();
        vec![
            page(1, 0, b"\x7fFLAC\x01\0\0\x02fLaC"),
            page(1, 1, &block),
            page(1, 2, &[last | 1, 0, 0, 3, 9, 9, 9]),
        ]
    };
    for (pages, n_headers) in [(vorbis(), 3), (opus(1, 0), 2), (flac(FLAC_LAST), 3)] {
        let made = headers(&pages[..n_headers], &tags(Some("neu"), Some("Ute"))).unwrap();
        let mut links = Links::new();
        let mut role = None;
        for page in &made {
            role = Some(links.take(page).unwrap());
        }
        let Some(Role::HeadersComplete(link)) = role else {
            panic!("{role:?}");
        };
        assert_eq!(
            (link.tag("TITLE"), link.tag("ARTIST")),
            (Some("neu"), Some("Ute"))
        );
        let (old, new) = (packets(&pages[..n_headers]), packets(&made));
        let (old, new) = (old.unwrap(), new.unwrap());
        assert!(begin_alike(&old[0], &new[0]) && begin_alike(&new[0], &old[0]));
        assert_eq!(old[2..], new[2..]);
    }
    // Where the last block is not marked, the first sound ends the headers.
    let mut links = Links::new();
    let roles = flac(0).into_iter().map(|page| links.take(&page).unwrap());
    assert!(
        roles
            .last()
            .is_some_and(|role| matches!(role, Role::Data(_)))
    );
}

#[test]
fn nothing_of_opus_is_left_out_and_only_that_may_be_different() {
    let mut first = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0".to_vec();
    let tagged = page(1, 1, b"OpusTags\0\0\0\0\0\0\0\0");
    let made = headers(&[page(1, 0, &first), tagged], &tags(None, None)).unwrap();
    let made = made[0].body().to_vec();
    assert_eq!(made[10..12], [0, 0]);
    assert!(begin_alike(&first, &made));
    first[12] ^= 1;
    assert!(!begin_alike(&first, &made));
    assert!(!begin_alike(b"OpusHead", b"OpusHead\x01\x02\0\0"));
}

#[test]
fn headers_over_the_limit_or_of_several_streams_are_refused() {
    let other = |n_bytes: usize| {
        let setup = [b"\x05vorbis", &vec![1; n_bytes][..]].concat();
        let first = vorbis().remove(0);
        let others = [b"\x03vorbis\0\0\0\0\0\0\0\0\x01".to_vec(), setup];
        let body = others.concat();
        let lacing: Vec<u8> = others.iter().flat_map(|one| lacing(one.len())).collect();
        let mut pages = vec![first];
        let mut at = 0;
        for lacing in lacing.chunks(SEGMENTS_MAX) {
            let n_bytes: usize = lacing.iter().map(|n| usize::from(*n)).sum();
            let stamp = Stamp {
                sequence: pages.len() as u32,
                is_first: false,
                ..pages[0].stamp()
            };
            pages.push(Page::build(stamp, lacing, &body[at..at + n_bytes]));
            at += n_bytes;
        }
        pages
    };
    let long = "x".repeat(1000);
    let with = tags(Some(&long), None);
    let fits = other(400_000);
    assert!(fits.len() > 6);
    let made = headers(&fits, &with).unwrap();
    let bytes: Vec<u8> = made.iter().flat_map(|p| p.bytes().to_vec()).collect();
    assert_eq!(header_pages(&Bytes::from(bytes)), Some(made));
    assert_eq!(headers(&other(HEADERS_BYTES_MAX - 2_500), &with), None);
    let both = [&opus(1, 0)[..1], &opus(2, 0)[..1], &opus(1, 0)[1..]].concat();
    assert_eq!(headers(&both, &with), None);
    assert_eq!(headers(&opus(1, 0)[..1], &with), None);
    assert_eq!(headers(&[], &with), None);
}

proptest! {
    #[test]
    fn any_list_keeps_what_is_not_replaced(
        vendor in proptest::collection::vec(any::<u8>(), 0..20),
        before in proptest::collection::vec("[a-zA-Z]{0,7}=?[^=]{0,9}", 0..12),
        end in proptest::collection::vec(any::<u8>(), 0..5),
        title in "\\PC{0,40}",
    ) {
        let before: Vec<Vec<u8>> = before.into_iter().map(String::into_bytes).collect();
        let list = [list(&vendor, &before), end.clone()].concat();
        let once = retagged(&list, &tags(Some(&title), None)).unwrap();
        prop_assert!(once.ends_with(&end));
        // Another title in its place gives what it would have given at first.
        let twice = retagged(&once, &tags(None, Some("b"))).unwrap();
        prop_assert_eq!(Some(twice), retagged(&list, &tags(None, Some("b"))));
    }

    #[test]
    fn bytes_of_any_kind_are_no_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        start in 0usize..4,
    ) {
        let start = [&b"\x03vorbis"[..], b"OpusTags", b"\x84\0\0\x10", b""][start];
        let body = [start, &bytes].concat();
        for first in [opus(1, 0), vorbis(), vec![page(1, 0, b"\x7fFLAC")]] {
            let _ = headers(&[first[0].clone(), page(1, 1, &body)], &tags(Some("x"), None));
        }
        let _ = (flac_comments(&body), ends_flac_headers(&body));
    }
}
