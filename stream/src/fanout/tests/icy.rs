//! Titles between frames: every byte of sound, and a block where it was announced.

use super::*;
use crate::fanout::Stay;
use crate::mpeg::icy::{INTERVAL_BYTES, Icy};
use crate::mpeg::tests::mp3;

fn portions(n: u8) -> Vec<Page> {
    let portion = |n| Page::parse((0..6).flat_map(|_| mp3(n)).collect::<Vec<u8>>().into());
    (0..n).map(|n| portion(n & 0x7f).unwrap()).collect()
}

impl Stage {
    async fn listen_with_titles(&self, icy: Icy) -> TcpStream {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let player = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        player.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = door.accept().await.unwrap().0.into_std().unwrap();
        let mount = self.mount();
        let burst = Duration::from_secs(60);
        let (_, cursor, first) = mount.log().open(Wish::Join, burst).unwrap();
        let joiner = Joiner {
            icy: Some(icy),
            wire: Wire::plain(socket),
            holds: (
                self.slots.take(Class::Listener).unwrap(),
                mount.admit(Class::Listener),
            ),
            mount,
            cursor,
            first,
            last: FOR_EVER,
            pace: Pace::Ticks(1),
            came: None,
            before: None,
            stay: Stay::default(),
        };
        assert!(self.fanout.take(joiner).is_ok());
        player
    }
}

/// The next stretch of sound, and the block behind it.
fn stretch(player: &mut TcpStream) -> (Vec<u8>, String) {
    let sound = read(player, INTERVAL_BYTES);
    let n_units = usize::from(read(player, 1)[0]);
    let block = read(player, n_units * 16);
    let words = String::from_utf8(block).unwrap();
    (sound, words.trim_end_matches('\0').to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn titles_stand_between_frames_and_no_byte_of_sound_is_missing() {
    let pages = portions(200);
    let all = bytes(&pages);
    let mut stage = stage(Keep::default());
    stage.publish(&pages[..50]);
    let mount = stage.mount();
    assert_eq!(mount.facts().content_type, "audio/mpeg");
    stage.table.set_title(&mount, Some("Ute - Eins"));
    let mut player = stage.listen_with_titles(Icy::default()).await;
    let mut plain = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    let (mut sound, first) = stretch(&mut player);
    assert_eq!(first, "StreamTitle='Ute - Eins';");
    let (more, second) = stretch(&mut player);
    sound.extend(more);
    assert_eq!(second, "");
    stage.table.set_title(&mount, Some("Ute - Zwei"));
    for portion in pages[50..].chunks(7) {
        stage.publish(portion);
    }
    let mut said = Vec::new();
    while sound.len() + INTERVAL_BYTES <= all.len() {
        let (more, words) = stretch(&mut player);
        sound.extend(more);
        said.push(words);
    }
    assert!(sound == all[..sound.len()], "every byte, in order");
    said.retain(|words| !words.is_empty());
    assert_eq!(said, ["StreamTitle='Ute - Zwei';"]);
    assert!(
        read(&mut plain, all.len()) == all,
        "the other one has no titles"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_program_is_told_which_interval_he_counts_by() {
    let mut stage = stage(Keep::default());
    stage.publish(&portions(1));
    let n_bytes = bytes(&portions(1)).len();
    let mut player = stage.listen_with_titles(Icy::at(4_096, 0)).await;
    read(&mut player, n_bytes.min(4_096));
    let (seats, ..) = stage.hand_over(Verdict::Leave);
    let icy = seats[0].icy().unwrap();
    assert_eq!((icy.interval(), icy.n_sent()), (4_096, n_bytes % 4_096));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mount_of_frames_takes_no_ogg_nor_other_frames() {
    let mut stage = stage(Keep::default());
    stage.publish(&portions(3));
    let now = Instant::now();
    let ogg = &opus(1, 3)[0];
    let taken = stage.publisher.take(ogg, now, || 1);
    assert_eq!(taken, Err(crate::ogg::Stray::OtherFormat));
    // 44.1 kHz, 192 kbit/s, layer II.
    let mut layer_2 = vec![0xff, 0xfd, 0xa0, 0];
    layer_2.resize(144 * 192_000 / 44_100, 0);
    let other = Page::parse(layer_2.into()).unwrap();
    let taken = stage.publisher.take(&other, now, || 1);
    assert_eq!(taken, Err(crate::ogg::Stray::OtherFormat));
    stage.publish(&portions(1));
    assert_eq!(stage.mount().log().head(), bytes(&portions(4)).len() as u64);
}
