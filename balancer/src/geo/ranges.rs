//! Ranges of addresses without gaps, laid out so that looking one up waits for memory once. Pure.

/// So many ranges of IPv4 go into one line of the processor's cache, …
const LINE_V4: usize = 10;
/// … and of IPv6.
const LINE_V6: usize = 6;

/// Ranges of IPv4 addresses.
pub(super) type RangesV4 = Ranges<u32, LINE_V4>;
/// Ranges of IPv6 addresses, by their upper half.
pub(super) type RangesV6 = Ranges<u64, LINE_V6>;

/// Ranges of one family: each ends where the next begins.
#[derive(Debug, PartialEq)]
pub(super) struct Ranges<A, const N: usize> {
    n_ranges: usize,
    /// The first start of each line: few enough to stay near the processor.
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

impl<A: Copy + Ord, const N: usize> Ranges<A, N> {
    /// Ranges with strictly rising starts, and as many numbers of cells.
    pub(super) fn new(starts: &[A], numbers: &[u16]) -> Self {
        let n_ranges = starts.len().min(numbers.len());
        let lines = starts.chunks(N).zip(numbers.chunks(N)).map(Line::new);
        let lines: Vec<_> = lines.collect();
        Self {
            n_ranges,
            marks: lines.iter().map(|line| line.starts[0]).collect(),
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
        let line = self.lines.get(last(&self.marks, address)?)?;
        Some(line.numbers[last(&line.starts, address)?])
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        size_of_val(self.marks.as_slice()) + size_of_val(self.lines.as_slice())
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

/// The last start that is not beyond the address.
fn last<A: Copy + Ord>(starts: &[A], address: A) -> Option<usize> {
    let behind = starts.partition_point(|start| *start <= address);
    behind.checked_sub(1)
}
