//! Listeners who are slower than the log, and a log that leaves something out before them.

use super::*;
use crate::ogg::{Found, Framer};

/// Publishes, behind the first three, until his socket is full: a page that does not go out at once.
fn publish_until_full(stage: &mut Stage, pages: &[Page]) -> usize {
    let mount = stage.mount();
    let n_sent = || mount.counts().n_bytes_sent.load(Ordering::Relaxed);
    let mut n_published = bytes(&pages[..3]).len() as u64;
    let mut n_pages = 3;
    loop {
        let began = Instant::now();
        while n_sent() < n_published && began.elapsed() < Duration::from_millis(300) {
            std::thread::yield_now();
        }
        if n_sent() < n_published {
            break;
        }
        stage.publish(&pages[n_pages..=n_pages]);
        n_published += pages[n_pages].len() as u64;
        n_pages += 1;
    }
    n_pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_relay_that_falls_behind_is_disconnected_and_never_gets_a_byte_out_of_place() {
    let mut pages = opus(1, 0);
    pages.extend((2..2_002).map(|n| page(1, n, &[n as u8; 20_000])));
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 200_000,
    });
    stage.publish(&pages[..3]);
    let mut relay = stage
        .join(Class::Relay, Wish::Join, FOR_EVER, Pace::EachPage)
        .await;
    let n_pages = publish_until_full(&mut stage, &pages);
    stage.publish(&pages[n_pages..]);
    let mut got = Vec::new();
    relay.read_to_end(&mut got).unwrap();
    assert!(got.len() < bytes(&pages).len());
    assert!(bytes(&pages).starts_with(&got), "nothing was left out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_who_falls_behind_jumps_at_a_page_boundary_and_is_counted() {
    let mut pages = opus(1, 0);
    pages.extend((2..2_002).map(|n| page(1, n, &[n as u8; 20_000])));
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 1_000_000,
    });
    stage.publish(&pages[..3]);
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::EachPage).await;
    let mount = stage.mount();
    let n_pages = publish_until_full(&mut stage, &pages);
    stage.publish(&pages[n_pages..]);
    let mut framer = Framer::new();
    let mut numbers = Vec::new();
    let mut buffer = vec![0; 100_000];
    while numbers.last() != Some(&2_001) {
        let n_bytes = player.read(&mut buffer).unwrap();
        assert!(n_bytes > 0, "he is moved on, not closed");
        let mut input = &buffer[..n_bytes];
        while let Some(found) = framer.next(&mut input) {
            let Found::Page(page) = found else {
                panic!("a page was cut by the jump")
            };
            numbers.push(page.stamp().sequence);
        }
    }
    let n_jumps = numbers
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .count();
    assert_eq!(n_jumps, 1, "one hole, between whole pages");
    assert_eq!(mount.counts().n_fell_behind.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_who_is_on_his_way_when_bytes_are_skipped_misses_no_page() {
    let (mut stage, pages) = more_than_fits();
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    let n_pages = publish_until_full(&mut stage, &pages);
    // Of the page that fills his socket the rest is kept for him; these he has not been given yet.
    let (more, rest) = pages[n_pages..].split_at(5);
    stage.publish(more);
    let mount = stage.mount();
    let log = mount.log();
    log.skip_to(log.head() + 64 * 1024 * 1024);
    stage.publish(rest);
    let all = bytes(&pages);
    assert!(read(&mut player, all.len()) == all, "every page came once");
    assert_eq!(mount.counts().n_fell_behind.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_who_falls_behind_before_a_new_link_gets_its_headers_when_he_jumps_into_it() {
    let sound = |serial: u32, n_pages| {
        let pages = (2..n_pages).map(|n| page(serial, n, &vec![serial as u8; 20_000]));
        pages.collect::<Vec<_>>()
    };
    let mut stage = stage(Keep {
        time: PATIENCE * 9,
        n_bytes: 9_000_000,
    });
    stage.publish(&opus(1, 0));
    let mut player = stage.listen(Wish::Join, FOR_EVER, Pace::Ticks(1)).await;
    stage.publish(&sound(1, 400));
    stage.publish(&opus(2, 0));
    // He is in the first link still when he is served again: more of it is to come than fits.
    let mount = stage.mount();
    let n_sent = || mount.counts().n_bytes_sent.load(Ordering::Relaxed);
    let before = n_sent();
    let mut heard = read(&mut player, 2_000_000);
    eventually("he is served", || n_sent() > before);
    stage.publish(&sound(2, 1_000));
    let (mut framer, mut pages) = (Framer::new(), Vec::new());
    let is_second = |page: &&Page| page.stamp().is_first || page.body().first() == Some(&2);
    loop {
        let mut input = heard.as_slice();
        let found = std::iter::from_fn(|| framer.next(&mut input));
        pages.extend(found.map(|found| match found {
            Found::Page(page) => page,
            Found::Junk { .. } => panic!("a page was cut by the jump"),
        }));
        if pages.iter().skip(2).any(|page| is_second(&page)) {
            break;
        }
        heard.resize(100_000, 0);
        let n_bytes = player.read(&mut heard).unwrap();
        assert!(n_bytes > 0, "he is moved on, not closed");
        heard.truncate(n_bytes);
    }
    let second = pages.iter().skip(2).find(is_second).map(Page::stamp);
    assert!(second.is_some_and(|stamp| stamp.is_first), "{second:?}");
    assert_eq!(mount.counts().n_fell_behind.load(Ordering::Relaxed), 1);
}
