//! Reads and writes bits in Vorbis's order: the lowest bit of a byte first (Vorbis I §2.1.4).
//! Pure.

/// Reads bits from the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `n` bits, at most 32, as a number. `None`: so many are not left.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        debug_assert!(n <= 32, "a number of 32 bits");
        let mut value = 0;
        for place in 0..n {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// Passes over `n` bits. `None`: so many are not left.
    pub(super) fn skip(&mut self, n: u64) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(n).ok()?)?;
        self.at = (at <= self.bytes.len().checked_mul(8)?).then_some(at)?;
        Some(())
    }
}

/// Bits put together to bytes; what is missing in the last byte is zero.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    n_bits: usize,
}

impl BitWriter {
    /// Adds the lowest `n` bits of `value`, at most 32.
    pub(super) fn put(&mut self, value: u32, n: u32) {
        for place in 0..n {
            if self.n_bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> place & 1 == 1) << (self.n_bits % 8);
            }
            self.n_bits += 1;
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(values in proptest::collection::vec((any::<u32>(), 0u32..=32), 0..40)) {
            let mut writer = BitWriter::default();
            for (value, n) in &values {
                writer.put(*value, *n);
            }
            let bytes = writer.into_bytes();
            let (mut reader, mut skipper) = (BitReader::new(&bytes), BitReader::new(&bytes));
            for (value, n) in values {
                let low = u64::from(value) & ((1 << n) - 1);
                prop_assert_eq!(reader.take(n).map(u64::from), Some(low));
                prop_assert_eq!(skipper.skip(u64::from(n)), Some(()));
                prop_assert_eq!(skipper.at, reader.at);
            }
            prop_assert_eq!(reader.take(8), None);
            prop_assert_eq!(skipper.skip(8), None);
            prop_assert_eq!(skipper.skip(u64::MAX), None);
        }
    }
}
