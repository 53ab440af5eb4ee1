//! Takes the chunk lines out of a chunked body (RFC 9112 §7.1). Pure.

use serde::{Deserialize, Serialize};

/// The longest chunk line that is read, with its extensions.
const LINE_BYTES_MAX: usize = 256;
/// The largest chunk that is believed, in bytes.
const CHUNK_BYTES_MAX: u64 = 1 << 30;

/// Reads a chunked body in any portions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chunked {
    state: State,
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

/// The body is not chunked as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChunk;

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::Size,
            line: Vec::new(),
        }
    }
}

impl Chunked {
    /// Takes the next piece of the body's own bytes from the front of `input`; empty when
    /// `input` is used up or the body has ended.
    ///
    /// # Errors
    /// When the chunk lines are malformed.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8], BadChunk> {
        loop {
            match self.state {
                State::Done => return Ok(&[]),
                State::Data(n_left) => {
                    let n = usize::try_from(n_left)
                        .unwrap_or(usize::MAX)
                        .min(input.len());
                    let (piece, rest) = input.split_at(n);
                    *input = rest;
                    let n_left = n_left - n as u64;
                    self.state = if n_left == 0 {
                        State::DataEnd
                    } else {
                        State::Data(n_left)
                    };
                    if !piece.is_empty() || input.is_empty() {
                        return Ok(piece);
                    }
                }
                State::Size | State::DataEnd | State::Trailer => {
                    if !self.take_line(input)? {
                        return Ok(&[]);
                    }
                    self.state = self.after_line()?;
                    self.line.clear();
                }
            }
        }
    }

    /// Whether the last chunk has come.
    pub fn has_ended(&self) -> bool {
        self.state == State::Done
    }

    /// Moves bytes into `line` up to a line feed; `false` when it has not come yet.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<bool, BadChunk> {
        let end = input.iter().position(|b| *b == b'\n');
        let (taken, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        self.line.extend_from_slice(taken);
        *input = rest;
        if self.line.len() > LINE_BYTES_MAX {
            Err(BadChunk)
        } else {
            Ok(end.is_some())
        }
    }

    fn after_line(&self) -> Result<State, BadChunk> {
        let line = self.line.trim_ascii_end();
        match self.state {
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => Ok(State::Trailer),
            State::Size => {
                let digits = line
                    .split(|b| *b == b';')
                    .next()
                    .unwrap_or(line)
                    .trim_ascii();
                let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
                let text = std::str::from_utf8(digits).map_err(|_| BadChunk)?;
                let size = u64::from_str_radix(text, 16).map_err(|_| BadChunk)?;
                if !is_hex || size > CHUNK_BYTES_MAX {
                    return Err(BadChunk);
                }
                Ok(if size == 0 {
                    State::Trailer
                } else {
                    State::Data(size)
                })
            }
            _ => Err(BadChunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), BadChunk> {
        let mut chunked = Chunked::default();
        let mut out = Vec::new();
        for portion in bytes.chunks(step) {
            let mut input = portion;
            while !input.is_empty() && !chunked.has_ended() {
                out.extend_from_slice(chunked.next(&mut input)?);
            }
        }
        Ok((out, chunked.has_ended()))
    }

    #[test]
    fn chunk_lines_are_taken_out_wherever_the_body_is_cut() {
        let body = b"4\r\nOggS\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..=body.len() {
            assert_eq!(
                read(body, step),
                Ok((b"OggS0123456789".to_vec(), true)),
                "step {step}"
            );
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for body in [
            &b"+3\r\nabc"[..],
            b"0x3\r\nabc",
            b"\r\nabc",
            b"FFFFFFFFFFFFFFFFF\r\n",
            b"3\r\nabcd\r\n",
            b"7FFFFFFFFFFFFFFF\r\n",
            &[b'1'; 300],
        ] {
            assert_eq!(read(body, 7), Err(BadChunk), "{body:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = read(&bytes, 7);
        }
    }
}
