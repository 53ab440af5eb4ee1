//! Words and open sockets from one program to another, over a pair of unix sockets. Both sides
//! wait for each other, but never for ever.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::estate::Word;

/// The kernel takes no more sockets than this with one message.
pub(crate) const SOCKETS_MAX: usize = 253;
/// Two lengths come before each word.
const LENGTHS_BYTES: usize = 8;
/// A word has no more bytes than this.
const WORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is beside a word, such as the pages of a ring, has no more bytes than this.
const BESIDE_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024 - 1;
/// While the kernel has too many sockets on their way, the next wait for so long.
const SOCKETS_PAUSE: Duration = Duration::from_millis(1);
/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// One end.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: UnixStream,
    until: Instant,
    read: VecDeque<u8>,
    sockets: VecDeque<OwnedFd>,
}

/// A word as it arrives.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) word: Word,
    /// Bytes that belong to it.
    pub(crate) beside: Vec<u8>,
    /// Sockets that belong to it.
    pub(crate) sockets: Vec<OwnedFd>,
}

impl Channel {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            until: Instant::now(),
            read: VecDeque::new(),
            sockets: VecDeque::new(),
        }
    }

    /// From now on everything takes at most so long, in all.
    pub(crate) fn allow(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    /// Says a word, with bytes and sockets that belong to it.
    pub(crate) fn say(
        &mut self,
        word: &Word,
        beside: &[u8],
        sockets: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let words = serde_json::to_vec(word)?;
        if words.len() > WORD_BYTES_MAX
            || beside.len() > BESIDE_BYTES_MAX
            || sockets.len() > SOCKETS_MAX
        {
            return Err(io::Error::other(
                "there is too much to be handed over at once",
            ));
        }
        let mut bytes = Vec::with_capacity(LENGTHS_BYTES + words.len());
        for part in [words.as_slice(), beside] {
            let n_bytes = u32::try_from(part.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&n_bytes.to_le_bytes());
        }
        bytes.extend_from_slice(&words);
        self.write(&bytes, sockets)?;
        self.write(beside, &[])
    }

    fn write(&mut self, mut bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        // Sockets go with the first byte.
        if !sockets.is_empty() {
            let n_sent = self.send_with(bytes, sockets)?;
            bytes = &bytes[n_sent..];
        }
        while !bytes.is_empty() {
            self.socket.set_write_timeout(Some(self.patience()?))?;
            match self.socket.write(bytes) {
                Ok(n_sent) => bytes = &bytes[n_sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(in_words(error)),
            }
        }
        Ok(())
    }

    fn send_with(&mut self, bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        loop {
            self.socket.set_write_timeout(Some(self.patience()?))?;
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(sockets));
            let flags = SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, flags) {
                Ok(n_sent) => return Ok(n_sent),
                Err(Errno::TOOMANYREFS) => std::thread::sleep(SOCKETS_PAUSE),
                Err(Errno::INTR) => {}
                Err(error) => return Err(in_words(error.into())),
            }
        }
    }

    /// Waits for the next word. `n_sockets` says how many sockets belong to it.
    pub(crate) fn hear(&mut self, n_sockets: impl Fn(&Word) -> usize) -> io::Result<Said> {
        let lengths = self.take(LENGTHS_BYTES)?;
        let length = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&lengths[at..at + 4]);
            u32::from_le_bytes(four) as usize
        };
        let (n_words, n_beside) = (length(0), length(4));
        if n_words > WORD_BYTES_MAX {
            return Err(io::Error::other("what was heard makes no sense"));
        }
        let word = serde_json::from_slice(&self.take(n_words)?)?;
        let beside = self.take(n_beside)?;
        let n_sockets = n_sockets(&word);
        if self.sockets.len() < n_sockets {
            return Err(io::Error::other(
                "sockets are missing: is the limit on open files too low?",
            ));
        }
        Ok(Said {
            word,
            beside,
            sockets: self.sockets.drain(..n_sockets).collect(),
        })
    }

    /// Waits for a word without anything beside it.
    pub(super) fn expect(&mut self, is_it: impl Fn(&Word) -> bool) -> io::Result<()> {
        if is_it(&self.hear(Word::n_sockets)?.word) {
            return Ok(());
        }
        Err(io::Error::other(
            "the other program says what makes no sense",
        ))
    }

    fn take(&mut self, n_bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; READ_BYTES];
        while self.read.len() < n_bytes {
            let n_read = self.receive(&mut buffer)?;
            if n_read == 0 {
                return Err(gone());
            }
            self.read.extend(&buffer[..n_read]);
        }
        Ok(self.read.drain(..n_bytes).collect())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        loop {
            self.socket.set_read_timeout(Some(self.patience()?))?;
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(buffer)];
            let received = recvmsg(
                &self.socket,
                &mut slices,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            match received {
                Ok(message) => {
                    for found in control.drain() {
                        if let RecvAncillaryMessage::ScmRights(sockets) = found {
                            self.sockets.extend(sockets);
                        }
                    }
                    return Ok(message.bytes);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(in_words(error.into())),
            }
        }
    }

    fn patience(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        Ok(left)
    }
}

fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => late(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => gone(),
        _ => error,
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the other program has gone")
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other program takes too long")
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
