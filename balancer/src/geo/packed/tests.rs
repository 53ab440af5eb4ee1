//! What is written comes back; nothing that is damaged is read, and nothing panics.

use super::*;
use crate::geo::cells::upper_half;

fn origin() -> Origin {
    Origin {
        source: "Test".to_owned(),
        url: "https://example.com".to_owned(),
        licence: "CC0".to_owned(),
        date: "2026-06-05".to_owned(),
    }
}

fn cells(n_ranges: usize) -> Cells {
    let mut random = fastrand::Rng::with_seed(5);
    let cell = |at: u32| Cell {
        country: (at > 0).then(|| Country::parse("DE")).flatten(),
        place: Place {
            latitude: f64::from(at) * 0.25 - 90.0,
            longitude: 180.0 - f64::from(at) * 0.5,
        },
        n_addresses: u64::from(at) << 20,
    };
    let mut numbers = |n| (0..n).map(|_| random.u16(..=300)).collect::<Vec<_>>();
    let at = |n| u32::try_from(n).unwrap();
    let v4: Vec<u32> = (0..n_ranges).map(|n| at(n) * 1_024 + 7).collect();
    let v6: Vec<u64> = (0..n_ranges).map(|n| u64::from(at(n)) << 40 | 9).collect();
    Cells {
        origin: origin(),
        cells: (0..300).map(cell).collect(),
        v4: Ranges::new(&v4, &numbers(n_ranges)),
        v6: Ranges::new(&v6, &numbers(n_ranges)),
    }
}

/// A file whose sum is right, whatever is in it.
fn file(packed: &[u8]) -> Vec<u8> {
    let line = serde_json::to_string(&origin()).unwrap();
    let sum = crc::update(0, packed).to_le_bytes();
    [MAGIC, line.as_bytes(), b"\n", &sum, packed].concat()
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut packer = CompressorWriter::new(&mut packed, 4096, 1, 22);
    packer.write_all(plain).unwrap();
    drop(packer);
    file(&packed)
}

fn refused(plain: &[u8], complaint: &str) {
    let found = read(&compressed(plain)).unwrap_err();
    assert!(found.contains(complaint), "{found}");
}

#[test]
fn what_is_written_comes_back() {
    for n_ranges in [0, 1, 63, 64, 65, 5_000] {
        let cells = cells(n_ranges);
        let bytes = write(&cells).unwrap();
        assert!(is_packed(&bytes));
        assert_eq!(read(&bytes).unwrap(), cells, "{n_ranges}");
        assert_eq!(super::origin(&bytes).unwrap(), cells.origin);
    }
}

#[test]
fn every_address_is_in_the_range_that_begins_last_before_it() {
    let cells = cells(1_000);
    let mut random = fastrand::Rng::with_seed(6);
    let expected = |starts: &[u64], numbers: &[u16], address: u64| {
        let at = starts.iter().rposition(|start| *start <= address)?;
        cells.cells.get(usize::from(numbers[at]).checked_sub(1)?)
    };
    let v4: Vec<u64> = cells.v4.starts().map(u64::from).collect();
    let v6: Vec<u64> = cells.v6.starts().collect();
    let (numbers_v4, numbers_v6): (Vec<_>, Vec<_>) =
        (cells.v4.numbers().collect(), cells.v6.numbers().collect());
    for _ in 0..3_000 {
        let address = random.u32(..1_200_000);
        let found = cells.cell(std::net::Ipv4Addr::from_bits(address).into());
        assert_eq!(
            found,
            expected(&v4, &numbers_v4, address.into()),
            "{address}"
        );
        let address = random.u128(..1 << 116);
        let found = cells.cell(std::net::Ipv6Addr::from_bits(address).into());
        let upper = upper_half(address);
        assert_eq!(found, expected(&v6, &numbers_v6, upper), "{address:x}");
    }
}

#[test]
fn a_file_that_is_cut_or_damaged_is_refused() {
    let bytes = write(&cells(300)).unwrap();
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..500 {
        let mut damaged = bytes.clone();
        let at = random.usize(bytes.len() / 4..damaged.len());
        damaged[at] ^= 1 << random.u8(..8);
        assert!(read(&damaged).is_err(), "damaged at {at}");
    }
}

#[test]
fn a_right_sum_over_nonsense_harms_nobody() {
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..300 {
        let mut plain = plain(&cells(40));
        for _ in 0..random.usize(1..5) {
            let at = random.usize(..plain.len());
            plain[at] = random.u8(..);
        }
        if let Ok(cells) = read(&compressed(&plain)) {
            cells.spot("192.0.2.1".parse().unwrap());
            cells.spot("2001:db8::1".parse().unwrap());
        }
        let noise: Vec<u8> = (0..200).map(|_| random.u8(..)).collect();
        assert!(read(&file(&noise)).is_err());
        assert!(read(&noise).is_err());
    }
}

#[test]
fn what_no_map_can_hold_is_named() {
    refused(&[0xff, 0xff, 0x7f], "cells, at most");
    // No cells, then too many ranges.
    refused(&[0, 0xff, 0xff, 0xff, 0x7f], "ranges, at most");
    refused(&[0, 2, 1, 0, 0, 0, 0, 0], "begin at the same address");
    refused(&[0, 1, 5, 1, 0], "in a cell that is not there");
    // 2^32, for IPv4.
    refused(
        &[0, 1, 0x80, 0x80, 0x80, 0x80, 0x10],
        "beyond all addresses",
    );
    refused(&[0, 0, 0, 1], "something follows");
    refused(&[0, 0x80], "damaged");
    refused(&[0x80; 11], "more than 64 bits");
    // A cell at 200 degrees north.
    refused(&[1, b'D', b'E', 0xc0, 0xb8, 0x02, 0, 0], "latitude");
}

#[test]
fn an_origin_that_fits_no_line_is_not_written() {
    let mut cells = cells(1);
    cells.origin.licence = "x".repeat(LINE_BYTES_MAX);
    assert!(write(&cells).unwrap_err().contains("more than 1024 bytes"));
}
