//! Words, sockets and members, without a second program.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::estate::{MetState, MountState};
use super::*;
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep};
use crate::mount::{Facts, Mount, MountPath};
use crate::ogg::tests::opus;
use crate::shutdown::Shutdown;

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(50);

fn pair() -> (Channel, Channel) {
    let (one, other) = UnixStream::pair().unwrap();
    let (mut one, mut other) = (Channel::new(one), Channel::new(other));
    one.allow(PATIENCE);
    other.allow(PATIENCE);
    (one, other)
}

fn porch(n: usize) -> Word {
    Word::Porch(vec![met(); n])
}

fn met() -> MetState {
    MetState {
        n_read: 1,
        came: crate::log::Ago::of(Instant::now(), Instant::now()),
        from: Some([192, 0, 2, 7].into()),
        may_be_proxied: false,
    }
}

#[test]
fn who_is_in_the_porch_of_an_older_program_is_understood() {
    let Word::Porch(words) = serde_json::from_str(r#"{"Porch":[[5,123]]}"#).unwrap() else {
        panic!("another word");
    };
    assert_eq!((words.len(), words[0].n_read, words[0].from), (1, 5, None));
}

#[test]
fn a_giver_with_one_address_and_one_with_several_are_understood() {
    let older = r#"{"Begin":{"version":1,"program":"p","listen":"0.0.0.0:80"}}"#;
    let newer = r#"{"Begin":{"version":1,"program":"p","listen":"0.0.0.0:80","more":["[::]:81"]}}"#;
    for (words, n_sockets) in [(older, 1), (newer, 2)] {
        let word: Word = serde_json::from_str(words).unwrap();
        assert_eq!(word.n_sockets(), n_sockets);
    }
}

#[test]
fn what_plays_is_handed_over_with_its_address() {
    let now = Instant::now();
    let mount = || {
        let mut writer = Writer::new(Epoch::new(1), Keep::default());
        for page in opus(1, 3) {
            writer.take(&page, now, || 1).unwrap();
        }
        let path = MountPath::parse("/live.ogg").unwrap();
        Mount::new(path, Facts::default(), Arc::clone(writer.log()), now)
    };
    let (given, taken) = (mount(), mount());
    given.say_all(Some("One"), Some("http://x.example/1.png"));
    let (state, beside) = MountState::of(&given, None, now);
    let words = serde_json::to_string(&state).unwrap();
    let state: MountState = serde_json::from_str(&words).unwrap();
    let state = state.take(beside.into(), Keep::default(), now).unwrap();
    state.about.dress(&taken);
    assert_eq!(taken.playing(), given.playing());
    assert!(taken.playing().url.is_some());
}

#[test]
fn sockets_arrive_with_their_words_in_order_however_many_there_are() {
    let (mut giver, mut heir) = pair();
    let (near, far): (Vec<UnixStream>, Vec<OwnedFd>) = (0..600)
        .map(|_| UnixStream::pair().unwrap())
        .map(|(near, far)| (near, OwnedFd::from(far)))
        .unzip();
    let sender = std::thread::spawn(move || {
        giver.say(&Word::Ready, &[], &[]).unwrap();
        for some in far.chunks(SOCKETS_MAX) {
            let sockets: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
            let beside = vec![7; 300_000];
            giver.say(&porch(some.len()), &beside, &sockets).unwrap();
        }
        giver.say(&Word::Taken, b"end", &[]).unwrap();
    });
    let first = heir.hear(Word::n_sockets).unwrap();
    assert!(matches!(first.word, Word::Ready));
    let mut n_heard = 0;
    while n_heard < near.len() {
        let said = heir.hear(Word::n_sockets).unwrap();
        assert_eq!(said.beside, vec![7; 300_000]);
        let Word::Porch(words) = &said.word else {
            panic!("{:?}", said.word);
        };
        let of_one = words.iter().map(|word| (word.from, word.may_be_proxied));
        assert!(of_one.eq(vec![(met().from, false); said.sockets.len()]));
        for socket in said.sockets {
            let n = u16::try_from(n_heard).unwrap();
            let mut socket = UnixStream::from(socket);
            socket.write_all(&n.to_le_bytes()).unwrap();
            n_heard += 1;
        }
    }
    assert_eq!(heir.hear(Word::n_sockets).unwrap().beside, b"end");
    sender.join().unwrap();
    for (n, mut near) in near.iter().enumerate() {
        let mut said = [0; 2];
        near.read_exact(&mut said).unwrap();
        assert_eq!(usize::from(u16::from_le_bytes(said)), n);
    }
}

#[test]
fn neither_side_waits_for_ever_and_a_death_is_noticed_at_once() {
    let (mut giver, heir) = pair();
    giver.allow(SHORT);
    let late = giver.hear(Word::n_sockets).unwrap_err();
    assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
    giver.allow(SHORT);
    let full = giver
        .say(&Word::Ready, &vec![0; 64 << 20], &[])
        .unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::TimedOut);
    drop(heir);
    giver.allow(PATIENCE);
    let began = Instant::now();
    assert!(giver.hear(Word::n_sockets).is_err());
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (one, other) = UnixStream::pair().unwrap();
    let mut heir = Channel::new(other);
    heir.allow(PATIENCE);
    let mut stranger = one;
    stranger.write_all(&[255; 64]).unwrap();
    assert!(heir.hear(Word::n_sockets).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stands_still_goes_on_or_leaves_as_he_is_told() {
    let shutdown = Shutdown::new();
    for verdict in [Verdict::GoOn, Verdict::GoOn, Verdict::Leave] {
        let mut member = shutdown.freeze().join(Stage::Writers);
        assert_eq!(member.is_asked(), shutdown.freeze().has_left());
        let freeze = shutdown.freeze();
        let judge = tokio::task::spawn_blocking(move || {
            assert!(
                freeze.gather(Stage::Door, PATIENCE),
                "nobody is at the door"
            );
            assert!(freeze.gather(Stage::Writers, PATIENCE));
            assert_eq!(freeze.parts().len(), 1);
            freeze.end(verdict);
        });
        member.asked().await;
        assert_eq!(member.arrive(Part::Nothing).await, verdict);
        judge.await.unwrap();
        drop(member);
    }
    assert!(shutdown.freeze().has_left());
}

#[test]
fn one_who_does_not_stop_is_not_waited_for_and_one_who_ends_is_not_missed() {
    let freeze = Freeze::default();
    let member = freeze.join(Stage::Writers);
    assert!(!freeze.gather(Stage::Writers, SHORT));
    freeze.end(Verdict::GoOn);
    let waiting = freeze.clone();
    let judge = std::thread::spawn(move || waiting.gather(Stage::Writers, PATIENCE));
    drop(member);
    assert!(judge.join().unwrap());
}
