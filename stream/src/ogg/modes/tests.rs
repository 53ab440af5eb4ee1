//! Setup headers, whole and damaged, and the silence that follows from them.

use proptest::prelude::*;

use super::*;

pub(crate) fn identification(n_channels: u8) -> Identification {
    Identification {
        n_channels,
        rate_hertz: 48_000,
        nominal_bits_per_second: 0,
        block_sizes: [256, 2048],
    }
}

/// One small table of every kind, as values and how many bits each takes. Four codebooks: an
/// ordered one; …
const TABLES: [&[(u32, u32)]; 9] = [
    &[
        (3, 8),
        (CODEBOOK_SYNC, 24),
        (1, 16),
        (4, 24),
        (1, 1),
        (0, 5),
        (1, 3),
        (3, 2),
        (0, 4),
    ],
    // … a sparse one; …
    &[
        (CODEBOOK_SYNC, 24),
        (1, 16),
        (3, 24),
        (0, 1),
        (1, 1),
        (1, 1),
        (2, 5),
        (0, 1),
        (1, 1),
        (9, 5),
        (0, 4),
    ],
    // … one with a lattice of three by three; …
    &[
        (CODEBOOK_SYNC, 24),
        (2, 16),
        (10, 24),
        (0, 2),
        (u32::MAX, 32),
        (0, 18),
        (1, 4),
        (7, 32),
        (9, 32),
        (1, 4),
        (0, 1),
        (0, 6),
    ],
    // … one with every value by itself.
    &[
        (CODEBOOK_SYNC, 24),
        (2, 16),
        (2, 24),
        (0, 2),
        (0, 10),
        (2, 4),
        (7, 32),
        (9, 32),
        (2, 4),
        (1, 1),
        (0, 12),
    ],
    // Time.
    &[(0, 6), (0, 16)],
    // A floor with classes 1 and 0.
    &[
        (0, 6),
        (1, 16),
        (2, 5),
        (1, 4),
        (0, 4),
        (1, 3),
        (0, 2),
        (5, 8),
        (0, 3),
        (1, 2),
        (6, 8),
        (7, 8),
        (8, 8),
        (1, 2),
        (3, 4),
        (0, 9),
    ],
    // A residue …
    &[(0, 6), (2, 16), (0, 24), (9, 24), (3, 24), (1, 6), (1, 8)],
    // … with five books in two classes.
    &[(5, 3), (1, 1), (3, 5), (1, 3), (0, 1), (0, 32), (0, 8)],
    // A mapping with two submaps and one coupling of two channels.
    &[
        (0, 6),
        (0, 16),
        (1, 1),
        (1, 4),
        (1, 1),
        (0, 8),
        (0, 1),
        (1, 1),
        (0, 2),
        (0, 8),
        (0, 24),
        (0, 24),
    ],
];

/// A setup header with these modes.
pub(crate) fn setup(modes: &[bool]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    for (value, n) in TABLES.into_iter().flatten() {
        bits.put(*value, *n);
    }
    bits.put(u32::try_from(modes.len() - 1).unwrap(), 6);
    for is_long in modes {
        bits.put(u32::from(*is_long), 1);
        bits.put(0, 32);
        bits.put(0, 8);
    }
    bits.put(1, 1);
    [b"\x05vorbis".to_vec(), bits.into_bytes()].concat()
}

#[test]
fn the_mode_table_is_found_behind_all_others() {
    for modes in [
        vec![false, true],
        vec![true],
        vec![false; 64],
        vec![true, false, true],
    ] {
        let read = Modes::parse(&identification(2), &setup(&modes)).unwrap();
        assert_eq!(read.is_long, modes);
    }
}

#[test]
fn a_setup_that_is_cut_or_damaged_gives_no_modes_rather_than_wrong_ones() {
    let good = setup(&[false, true]);
    for end in 0..good.len() {
        assert_eq!(
            Modes::parse(&identification(2), &good[..end]),
            None,
            "{end}"
        );
    }
    let mut damaged = good.clone();
    damaged[8] ^= 1;
    assert_eq!(Modes::parse(&identification(2), &damaged), None);
    // As mono the coupling is read with other widths: the framing bit is not where it was.
    assert_eq!(Modes::parse(&identification(1), &good), None);
}

#[test]
fn a_silent_packet_of_a_usual_stream_is_one_byte_and_is_the_block_it_was_made_for() {
    let modes = Modes::parse(&identification(2), &setup(&[false, true])).unwrap();
    let long = modes.long_block(Length::Long, Length::Long);
    assert_eq!(modes.silence(&long), Some(vec![0x0e]));
    assert_eq!(modes.silence(&modes.short_block()), Some(vec![0]));
    for block in [
        long,
        modes.short_block(),
        modes.long_block(Length::Short, Length::Long),
        modes.long_block(Length::Long, Length::Short),
    ] {
        assert_eq!(modes.block(&modes.silence(&block).unwrap()), Some(block));
    }
    assert_eq!(modes.block(&[]), None);
    assert_eq!(modes.block(&[1]), None, "a header is no block");
    let only_short = Modes::parse(&identification(2), &setup(&[false])).unwrap();
    assert_eq!(only_short.silence(&long), None);
    assert_eq!(only_short.silence(&only_short.short_block()), Some(vec![0]));
}

proptest! {
    #[test]
    fn whatever_the_setup_says_reading_it_ends(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let _ = Modes::parse(&identification(2), &[b"\x05vorbis", &noise[..]].concat());
        let mut damaged = setup(&[false, true]);
        let at = at.index(damaged.len());
        damaged[at] ^= flip;
        let _ = Modes::parse(&identification(2), &damaged);
    }
}
