//! The bytes of a small database: a line of text that says what it is, a sum, then brotli
//! (RFC 7932). Pure.
//!
//! Within, everything is whole numbers of seven bits a byte, the lowest first (LEB128): the
//! cells, then for each family the differences between the starts of its ranges, then their
//! cells' numbers of two bytes. Alike stands by alike, which compresses best. (LZMA is 3 %
//! smaller and takes three times as long to read; zstd is 5 % larger.)

use std::io::{BufRead, BufReader, Read, Write};

use brotli::enc::BrotliEncoderParams;
use brotli::{CompressorWriter, Decompressor};
use stream::ogg::crc;
use stream::report::Place;

use super::cells::{CELLS_MAX, Cell, Cells, Origin, RANGES_MAX};
use super::ranges::{Address, Ranges};
use crate::place::{Country, checked};

/// The first word of a file; another one when the layout changes.
const MAGIC: &[u8] = b"plenum-cells-1 ";
/// The first line is not read beyond this.
const LINE_BYTES_MAX: usize = 1024;
/// Degrees are kept as hundredths: a kilometre.
const STEPS_A_DEGREE: f64 = 100.0;
/// What is read and written at once.
const BUFFER_BYTES: usize = 1 << 16;
/// A number of 64 bits has no more bytes than this.
const NUMBER_BYTES_MAX: usize = 10;

/// Whether the bytes are meant to be such a file.
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Where the data in a file comes from, without reading it all.
///
/// # Errors
/// Says what is wrong with the file.
pub fn origin(bytes: &[u8]) -> Result<Origin, String> {
    head(bytes).map(|(origin, _)| origin)
}

/// Reads a file.
///
/// # Errors
/// Says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Cells, String> {
    let (origin, rest) = head(bytes)?;
    let plain = Decompressor::new(checked_sum(rest)?, BUFFER_BYTES);
    let mut numbers = Numbers(BufReader::with_capacity(BUFFER_BYTES, plain));
    let cells = numbers.cells()?;
    let v4 = numbers.ranges(cells.len(), |start| u32::try_from(start).ok())?;
    let v6 = numbers.ranges(cells.len(), Some)?;
    numbers.end()?;
    Ok(Cells {
        origin,
        cells,
        v4,
        v6,
    })
}

/// Writes a file.
///
/// # Errors
/// When the origin does not fit into a line.
pub fn write(cells: &Cells) -> Result<Vec<u8>, String> {
    let line = serde_json::to_string(&cells.origin).map_err(|error| error.to_string())?;
    if line.len() + MAGIC.len() >= LINE_BYTES_MAX {
        return Err(format!(
            "source, url and licence have more than {LINE_BYTES_MAX} bytes"
        ));
    }
    let plain = plain(cells);
    let parameters = BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: plain.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    let mut packer = CompressorWriter::with_params(&mut packed, BUFFER_BYTES, &parameters);
    packer
        .write_all(&plain)
        .map_err(|error| format!("cannot be packed: {error}"))?;
    // Dropping it writes the end.
    drop(packer);
    let sum = crc::update(0, &packed).to_le_bytes();
    Ok([MAGIC, line.as_bytes(), b"\n", &sum, &packed].concat())
}

fn head(bytes: &[u8]) -> Result<(Origin, &[u8]), String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not begin as a packed geo file does")?;
    let end = rest
        .iter()
        .take(LINE_BYTES_MAX)
        .position(|byte| *byte == b'\n')
        .ok_or("its first line does not end")?;
    let (line, rest) = rest.split_at(end);
    let origin = serde_json::from_slice(line)
        .map_err(|error| format!("its first line is not as it should be: {error}"))?;
    Ok((origin, rest.get(1..).unwrap_or_default()))
}

/// What is behind the sum, if that is right.
fn checked_sum(bytes: &[u8]) -> Result<&[u8], String> {
    match bytes.split_first_chunk::<4>() {
        Some((sum, packed)) if u32::from_le_bytes(*sum) == crc::update(0, packed) => Ok(packed),
        _ => Err("it is damaged: its sum is wrong".to_owned()),
    }
}

struct Numbers<R: Read>(BufReader<R>);

impl<R: Read> Numbers<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.0
            .read_exact(&mut bytes)
            .map_err(|error| format!("it is damaged: {error}"))?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, String> {
        let ready = self.0.buffer();
        if let Some(bytes) = ready.get(..NUMBER_BYTES_MAX) {
            let (number, n_bytes) = number(bytes)?;
            self.0.consume(n_bytes);
            return Ok(number);
        }
        let mut bytes = [0; NUMBER_BYTES_MAX];
        for byte in &mut bytes {
            [*byte] = self.bytes()?;
            if *byte & 0x80 == 0 {
                break;
            }
        }
        number(&bytes).map(|(number, _)| number)
    }

    fn count(&mut self, max: usize, what: &str) -> Result<usize, String> {
        let n = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if n > max {
            return Err(format!("it has {n} {what}, at most {max} are read"));
        }
        Ok(n)
    }

    fn degrees(&mut self) -> Result<f64, String> {
        let number = self.number()?;
        // Zigzag: 0, -1, 1, -2, 2 …
        let half = i32::try_from(number >> 1).map_err(|_| "a cell in it is off the globe")?;
        let signed = if number & 1 == 1 { -1 - half } else { half };
        Ok(f64::from(signed) / STEPS_A_DEGREE)
    }

    fn cells(&mut self) -> Result<Vec<Cell>, String> {
        let n_cells = self.count(CELLS_MAX, "cells")?;
        (0..n_cells).map(|_| self.cell()).collect()
    }

    fn cell(&mut self) -> Result<Cell, String> {
        let letters: [u8; 2] = self.bytes()?;
        let country = std::str::from_utf8(&letters).ok().and_then(Country::parse);
        let place = Place {
            latitude: self.degrees()?,
            longitude: self.degrees()?,
        };
        Ok(Cell {
            country,
            place: checked(place)?,
            n_addresses: self.number()?,
        })
    }

    fn ranges<A: Address, const N: usize>(
        &mut self,
        n_cells: usize,
        narrow: impl Fn(u64) -> Option<A>,
    ) -> Result<Ranges<A, N>, String> {
        let n_ranges = self.count(RANGES_MAX, "ranges")?;
        let mut starts = Vec::new();
        let mut start = 0_u64;
        for at in 0..n_ranges {
            let difference = self.number()?;
            if at > 0 && difference == 0 {
                return Err("two ranges in it begin at the same address".to_owned());
            }
            let next = start.checked_add(difference);
            start = next.ok_or("a range in it begins beyond all addresses")?;
            starts.push(narrow(start).ok_or("a range in it begins beyond all addresses")?);
        }
        let mut numbers = Vec::with_capacity(n_ranges);
        for _ in 0..n_ranges {
            let number = u16::from_le_bytes(self.bytes()?);
            if usize::from(number) > n_cells {
                return Err("a range in it is in a cell that is not there".to_owned());
            }
            numbers.push(number);
        }
        Ok(Ranges::new(&starts, &numbers))
    }

    /// Reading to the end also checks the sum behind it.
    fn end(&mut self) -> Result<(), String> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err("something follows its last range".to_owned()),
            Err(error) => Err(format!("it is damaged: {error}")),
        }
    }
}

/// The number that `bytes` begin with, and how many of them it has.
fn number(bytes: &[u8]) -> Result<(u64, usize), String> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(NUMBER_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * at);
        if shifted >> (7 * at) != bits {
            break;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Ok((number, at + 1));
        }
    }
    Err("a number in it has more than 64 bits".to_owned())
}

fn plain(cells: &Cells) -> Vec<u8> {
    let mut bytes = Vec::new();
    push(&mut bytes, as_u64(cells.cells.len()));
    for cell in &cells.cells {
        let letters = cell.country.map_or([0; 2], Country::letters);
        bytes.extend_from_slice(&letters);
        push_degrees(&mut bytes, cell.place.latitude);
        push_degrees(&mut bytes, cell.place.longitude);
        push(&mut bytes, cell.n_addresses);
    }
    push_ranges(&mut bytes, &cells.v4, u64::from);
    push_ranges(&mut bytes, &cells.v6, |start| start);
    bytes
}

fn push_ranges<A: Address, const N: usize>(
    bytes: &mut Vec<u8>,
    ranges: &Ranges<A, N>,
    widen: impl Fn(A) -> u64,
) {
    push(bytes, as_u64(ranges.len()));
    let mut last = 0;
    for start in ranges.starts().map(widen) {
        push(bytes, start.saturating_sub(last));
        last = start;
    }
    for number in ranges.numbers() {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low & 0x7f);
        }
        bytes.push(low | 0x80);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "degrees are at most 180")]
fn push_degrees(bytes: &mut Vec<u8>, degrees: f64) {
    let steps = (degrees * STEPS_A_DEGREE).round() as i64;
    push(bytes, ((steps << 1) ^ (steps >> 63)).cast_unsigned());
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
