//! Lengths of packets, and silence that may follow any of them.

use super::*;
use crate::ogg::Stamp;
use crate::ogg::modes::tests::setup;

/// A page with these packets, the last of which goes on if `is_open`.
fn page(flags: (bool, bool), packets: &[&[u8]]) -> Page {
    let (is_continued, is_open) = flags;
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    if is_open {
        assert_eq!(lacing.pop(), Some(0), "what goes on fills its segments");
    }
    let stamp = Stamp {
        serial: 1,
        sequence: 0,
        granule: 0,
        is_continued,
        is_first: false,
        is_last: false,
    };
    Page::build(stamp, &lacing, &packets.concat())
}

const WHOLE: (bool, bool) = (false, false);

/// The identification of a stereo stream at 48 kHz with blocks of 256 and 2048 samples.
fn identification() -> Vec<u8> {
    let mut packet = b"\x01vorbis\0\0\0\0\x02".to_vec();
    packet.extend_from_slice(&48_000u32.to_le_bytes());
    packet.extend_from_slice(&[0; 12]);
    packet.extend_from_slice(&[0xb8, 1]);
    packet
}

const COMMENTS: &[u8] = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";
const SHORT: u8 = 0;
/// A long block between long ones …
const LONG: u8 = 0x0e;
/// … after a short one, before a short one, between short ones.
const AFTER: u8 = 0x0a;
const BEFORE: u8 = 0x06;
const BETWEEN: u8 = 0x02;

fn vorbis() -> Measure {
    let mut measure = Measure::new(&identification());
    measure.take(&page(WHOLE, &[&identification()]));
    measure.take(&page(WHOLE, &[COMMENTS, &setup(&[false, true])]));
    measure
}

fn opus(n_channels: u8, family: &[u8]) -> Measure {
    let head = [b"OpusHead\x01", &[n_channels][..], &[0; 8], family].concat();
    let mut measure = Measure::new(&head);
    measure.take(&page(WHOLE, &[&head]));
    measure.take(&page(WHOLE, &[b"OpusTags\0\0\0\0\0\0\0\0"]));
    measure
}

#[test]
fn vorbis_blocks_last_a_quarter_of_themselves_and_of_the_one_before() {
    let mut measure = vorbis();
    assert_eq!(measure.rate_hertz(), None, "nothing to go on from");
    assert_eq!(measure.take(&page(WHOLE, &[&[LONG]])), 0);
    assert_eq!(measure.rate_hertz(), Some(48_000));
    let packets: [&[u8]; 4] = [&[LONG, 7, 7], &[BEFORE], &[SHORT, 1], &[SHORT]];
    assert_eq!(
        measure.take(&page(WHOLE, &packets)),
        1024 + 1024 + 576 + 128
    );
    // What is no block leaves no trace.
    assert_eq!(measure.take(&page(WHOLE, &[&[], &[1], &[AFTER]])), 576);
}

#[test]
fn a_packet_counts_on_the_page_where_it_ends() {
    let mut measure = vorbis();
    let long = [LONG; 510];
    let (open, middle) = ((false, true), (true, true));
    assert_eq!(measure.take(&page(open, &[&[LONG], &long])), 0);
    assert_eq!(measure.take(&page(middle, &[&long])), 0);
    assert_eq!(measure.take(&page((true, false), &[&[9], &[LONG]])), 2048);
    // Its beginning is lost: not a packet.
    assert_eq!(
        measure.take(&page((true, false), &[&[LONG], &[LONG]])),
        1024
    );
    // Its end is lost: it never was one.
    assert_eq!(measure.take(&page(open, &[&long])), 0);
    assert_eq!(measure.take(&page(WHOLE, &[&[LONG]])), 1024);
    assert_eq!(measure.cut(), None);
    assert_eq!(measure.take(&page(open, &[&long])), 0);
    assert_eq!(measure.cut(), Some(1024));
    assert_eq!(measure.cut(), None);
}

#[test]
fn a_setup_on_several_pages_is_read_and_one_that_is_damaged_is_not() {
    let mut long_setup = setup(&[false, true]);
    long_setup.resize(255 * 3, 0);
    let mut measure = Measure::new(&identification());
    measure.take(&page(WHOLE, &[&identification()]));
    measure.take(&page((false, true), &[COMMENTS, &long_setup[..510]]));
    measure.take(&page((true, false), &[&long_setup[510..], &[LONG]]));
    assert_eq!(measure.take(&page(WHOLE, &[&[LONG]])), 1024);
    long_setup[9] ^= 1;
    let mut measure = Measure::new(&identification());
    measure.take(&page(WHOLE, &[&identification()]));
    measure.take(&page(WHOLE, &[COMMENTS, &long_setup]));
    assert_eq!(measure.take(&page(WHOLE, &[&[LONG], &[LONG]])), 0);
    assert_eq!((measure.rate_hertz(), measure.silence()), (None, None));
}

/// The packets of silence after `newest`, and those before `next`.
fn around(newest: u8, next: u8) -> (Vec<u8>, Vec<u8>) {
    let mut measure = vorbis();
    measure.take(&page(WHOLE, &[&[LONG], &[newest]]));
    let silence: Vec<_> = (0..3).filter_map(|_| measure.silence()).collect();
    let bridge = measure.bridge(&page(WHOLE, &[&[next]]));
    let first_bytes = |silence: &[Silence]| silence.iter().map(|s| s.packet[0]).collect();
    (first_bytes(&silence), first_bytes(&bridge))
}

#[test]
fn each_block_of_silence_is_what_its_neighbours_say_it_is() {
    assert_eq!(around(LONG, LONG), (vec![LONG; 3], vec![]));
    assert_eq!(around(SHORT, BEFORE), (vec![AFTER, LONG, LONG], vec![]));
    assert_eq!(around(BEFORE, LONG), (vec![SHORT, AFTER, LONG], vec![]));
    assert_eq!(around(LONG, SHORT).1, [BEFORE]);
    assert_eq!(around(LONG, BETWEEN).1, [BEFORE, SHORT]);
    let mut measure = vorbis();
    measure.take(&page(WHOLE, &[&[LONG], &[BEFORE]]));
    let short = Silence {
        packet: vec![SHORT],
        n_samples: 576,
    };
    assert_eq!(measure.silence(), Some(short));
    let bridge = measure.bridge(&page(WHOLE, &[&[LONG]]));
    assert_eq!(bridge[0].packet, [AFTER]);
    assert_eq!((bridge.len(), bridge[0].n_samples), (1, 576));
}

#[test]
fn opus_packets_last_what_their_first_bytes_say() {
    for (packet, n_samples) in [
        (&[0x00][..], 480),
        (&[0x18], 2_880),
        (&[0x39, 0, 0], 2 * 2_880),
        (&[0x60], 480),
        (&[0x6a, 0], 2 * 960),
        (&[0x80], 120),
        (&[0xff, 0x06], 6 * 960),
        (&[0xff, 0x07], 0),
        (&[0xfb], 0),
        (&[0xf8, 0xff, 0xfe], 960),
        (&[], 0),
    ] {
        let mut measure = opus(2, &[0]);
        assert_eq!(
            measure.take(&page(WHOLE, &[packet])),
            n_samples,
            "{packet:?}"
        );
    }
}

#[test]
fn opus_silence_is_made_for_every_stream_in_a_packet() {
    let stereo = [0xfc, 0xff, 0xfe];
    let surround = [
        &[0xfc, 2, 0xff, 0xfe][..],
        &[0xfc, 2, 0xff, 0xfe],
        &[0xf8, 2, 0xff, 0xfe],
        &[0xf8, 0xff, 0xfe],
    ]
    .concat();
    for (mut measure, wanted) in [
        (opus(1, &[0]), vec![0xf8, 0xff, 0xfe]),
        (opus(2, &[0]), stereo.to_vec()),
        (opus(6, &[1, 4, 2, 0, 4, 1, 2, 3, 5]), surround),
    ] {
        assert_eq!(measure.silence(), None, "nothing to go on from");
        measure.take(&page(WHOLE, &[&wanted]));
        let silence = measure.silence().unwrap();
        assert_eq!((silence.packet, silence.n_samples), (wanted, 960));
    }
    let mut too_many = opus(255, &[255, 255, 0]);
    too_many.take(&page(WHOLE, &[&stereo]));
    assert_eq!((too_many.rate_hertz(), too_many.silence()), (None, None));
}

#[test]
fn other_codecs_have_no_silence() {
    let mut measure = Measure::new(b"\x7fFLAC\x01\0");
    for packet in [&b"\x7fFLAC\x01\0"[..], b"sound", b"sound"] {
        assert_eq!(measure.take(&page(WHOLE, &[packet])), 0);
    }
    assert_eq!((measure.rate_hertz(), measure.silence()), (None, None));
}
