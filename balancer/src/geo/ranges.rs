//! Ranges of addresses without gaps, laid out so that looking one up waits for memory once or twice.
//! Pure.

/// So many ranges of IPv4 go into one line of the processor's cache, …
const LINE_V4: usize = 10;
/// … and of IPv6.
const LINE_V6: usize = 6;

/// The first so many bits of an address say where its mark is to be looked for.
const FIRST_BITS: u32 = 16;

/// Ranges of IPv4 addresses.
pub(super) type RangesV4 = Ranges<u32, LINE_V4>;
/// Ranges of IPv6 addresses, by their upper half.
pub(super) type RangesV6 = Ranges<u64, LINE_V6>;

/// Ranges of one family: each ends where the next begins.
#[derive(Debug, PartialEq)]
pub(super) struct Ranges<A, const N: usize> {
    n_ranges: usize,
    /// For each beginning of an address, how many marks have lesser ones; and all of them.
    firsts: Vec<u32>,
    /// The first start of each line.
    marks: Vec<A>,
    lines: Vec<Line<A, N>>,
}

/// What lies side by side in memory. The last one is filled up with its last range.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Line<A, const N: usize> {
    /// Rising.
    starts: [A; N],
    /// 0 is nowhere, others are one more than the place in the list of cells.
    numbers: [u16; N],
}

/// An address, or the part of it that counts.
pub(super) trait Address: Copy + Ord {
    /// Its first [`FIRST_BITS`].
    fn first(self) -> usize;
}

impl Address for u32 {
    fn first(self) -> usize {
        (self >> (Self::BITS - FIRST_BITS)) as usize
    }
}

impl Address for u64 {
    fn first(self) -> usize {
        usize::try_from(self >> (Self::BITS - FIRST_BITS)).unwrap_or(usize::MAX)
    }
}

impl<A: Address, const N: usize> Ranges<A, N> {
    /// Ranges with strictly rising starts, and as many numbers of cells.
    pub(super) fn new(starts: &[A], numbers: &[u16]) -> Self {
        let n_ranges = starts.len().min(numbers.len());
        let lines = starts.chunks(N).zip(numbers.chunks(N)).map(Line::new);
        let lines: Vec<_> = lines.collect();
        let marks: Vec<A> = lines.iter().map(|line| line.starts[0]).collect();
        Self {
            n_ranges,
            firsts: firsts(&marks),
            marks,
            lines,
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.n_ranges
    }

    /// Where each begins.
    pub(super) fn starts(&self) -> impl Iterator<Item = A> {
        let all = self.lines.iter().flat_map(|line| line.starts);
        all.take(self.n_ranges)
    }

    /// The number of each one's cell.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        let all = self.lines.iter().flat_map(|line| line.numbers);
        all.take(self.n_ranges)
    }

    /// The number of the cell an address is in.
    pub(super) fn number(&self, address: A) -> Option<u16> {
        let first = address.first();
        let from = *self.firsts.get(first)? as usize;
        let until = *self.firsts.get(first + 1)? as usize;
        let behind = self.marks.get(from..until)?;
        let behind = from + behind.partition_point(|mark| *mark <= address);
        let line = self.lines.get(behind.checked_sub(1)?)?;
        let behind = line.starts.partition_point(|start| *start <= address);
        Some(line.numbers[behind.checked_sub(1)?])
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        size_of_val(self.firsts.as_slice())
            + size_of_val(self.marks.as_slice())
            + size_of_val(self.lines.as_slice())
    }
}

impl<A: Copy, const N: usize> Line<A, N> {
    fn new((starts, numbers): (&[A], &[u16])) -> Self {
        let at = |at: usize| at.min(starts.len() - 1);
        Self {
            starts: std::array::from_fn(|n| starts[at(n)]),
            numbers: std::array::from_fn(|n| numbers[at(n)]),
        }
    }
}

/// For each beginning, and one more, how many marks lie before it.
fn firsts<A: Address>(marks: &[A]) -> Vec<u32> {
    let mut firsts = vec![0_u32; (1 << FIRST_BITS) + 1];
    for mark in marks {
        firsts[mark.first() + 1] += 1;
    }
    let mut sum = 0;
    for first in &mut firsts {
        sum += *first;
        *first = sum;
    }
    firsts
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn agrees<A: Address + Into<u64>, const N: usize>(starts: &[A], asked: &[A]) {
        let numbers: Vec<u16> = (1..).take(starts.len()).collect();
        let ranges = Ranges::<A, N>::new(starts, &numbers);
        for address in asked.iter().chain(starts).copied() {
            let at = starts.iter().rposition(|start| *start <= address);
            assert_eq!(ranges.number(address), at.map(|at| numbers[at]));
        }
    }

    proptest! {
        /// Close ones, and some anywhere.
        #[test]
        fn an_address_is_in_the_range_that_begins_last_before_it(
            near in btree_set(0x1234_0000_u32..0x1236_0000, 1..80),
            far in btree_set(any::<u32>(), 0..20),
            asked in vec(any::<u32>(), 20),
            asked_near in vec(0x1233_fff0_u32..0x1236_0010, 20),
        ) {
            let starts: Vec<u32> = near.union(&far).copied().collect();
            let asked = [asked, asked_near].concat();
            agrees::<_, LINE_V4>(&starts, &asked);
            let wide = |all: &[u32]| all.iter().map(|a| u64::from(*a) << 20).collect::<Vec<_>>();
            agrees::<_, LINE_V6>(&wide(&starts), &wide(&asked));
        }
    }
}
