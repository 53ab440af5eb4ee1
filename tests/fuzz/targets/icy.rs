//! Titles between the frames: without them the sound is as it was, and no title breaks its block.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stream::mount::Playing;
use stream::mpeg::icy::{INTERVAL_BYTES, Icy};

fuzz_target!(|input: (Vec<String>, Vec<u16>)| {
    let (titles, steps) = input;
    let (mut icy, mut told) = (Icy::default(), Vec::new());
    let mut titles = titles.into_iter();
    for step in steps {
        let n_bytes = usize::from(step).min(icy.n_left());
        let n_before = icy.n_sent();
        let mut playing = Playing::default();
        playing.set_title(titles.next().as_deref());
        playing.set_url(titles.next().as_deref());
        match icy.pass(n_bytes as u64, || playing.clone()) {
            None => assert_eq!(icy.n_sent(), n_before + n_bytes),
            Some(block) => {
                assert_eq!(n_before + n_bytes, INTERVAL_BYTES);
                assert_eq!(block.len(), 1 + 16 * usize::from(block[0]));
                told.push(block);
            }
        }
    }
    for block in told.iter().filter(|block| block.len() > 1) {
        assert!(block[1..].starts_with(b"StreamTitle='"));
        let n_ends = block.windows(2).filter(|two| *two == b"';").count();
        let n_said = 1 + usize::from(block.windows(13).any(|words| words == b"';StreamUrl='"));
        assert_eq!(n_ends, n_said, "{block:?}");
    }
});
