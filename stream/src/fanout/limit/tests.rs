//! The limit against a line of a known size, in time that passes as fast as it can be counted.

use super::*;

/// A line, two relays and many listeners. What the line does not carry waits in the kernel; a
/// relay is held up when what waits there takes longer than 150 ms.
struct Scene {
    limit: Limit,
    began: Instant,
    now: Instant,
    line: f64,
    asked: f64,
    in_kernel: f64,
    n_bytes: f64,
    n_put_off: u64,
    /// Time in which the line was full enough to hold relays up.
    held_up: Duration,
    n_relays: usize,
    /// Relays that are held up whatever happens.
    n_slow: usize,
    news: Vec<News>,
}

const STEP: Duration = LOOK_EVERY;

impl Scene {
    fn new(line: f64, asked: f64) -> Self {
        let now = Instant::now();
        Self {
            limit: Limit::default(),
            began: now,
            now,
            line,
            asked,
            in_kernel: 0.0,
            n_bytes: 0.0,
            n_put_off: 0,
            held_up: Duration::ZERO,
            n_relays: 2,
            n_slow: 0,
            news: Vec::new(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let decision = self.limit.decision();
        let seconds = STEP.as_secs_f64();
        let may = match decision {
            Decision {
                is_braking: true, ..
            } => 0.0,
            Decision { limit, .. } => limit.unwrap_or(f64::MAX),
        };
        let sent = self.asked.min(may) * seconds;
        self.n_put_off += u64::from(may < self.asked);
        self.n_bytes += sent;
        self.in_kernel = (self.in_kernel + sent - self.line * seconds).max(0.0);
        let is_full = self.in_kernel > self.line * 0.15;
        self.held_up += STEP * u32::from(is_full);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small"
        )]
        let look = Look {
            n_relays: self.n_relays,
            n_held_up: if is_full { self.n_relays } else { self.n_slow },
            n_bytes: self.n_bytes as u64,
            n_put_off: self.n_put_off,
        };
        let (_, news) = self.limit.look(look, self.now);
        if news == Some(News::GaveUp) {
            // As the shards do: it does not count any more.
            self.n_relays -= self.n_slow.min(self.n_relays);
            self.n_slow = 0;
        }
        self.news.extend(news);
    }

    fn rate(&self) -> f64 {
        self.n_bytes / self.now.duration_since(self.began).as_secs_f64()
    }
}

#[test]
fn a_line_with_room_is_never_limited() {
    let mut scene = Scene::new(2.5e6, 2.4e6);
    scene.pass(60);
    assert_eq!((scene.news.len(), scene.n_put_off), (0, 0));
}

#[test]
fn at_twice_the_line_relays_are_seldom_held_up_and_the_line_is_well_used() {
    let mut scene = Scene::new(2.5e6, 5e6);
    scene.pass(300);
    assert_eq!(scene.news.len(), 1, "{:?}", scene.news);
    assert!(
        scene.held_up < Duration::from_secs(6),
        "{:?}",
        scene.held_up
    );
    assert!(scene.rate() > 2.5e6 * 0.85, "{}", scene.rate());
}

#[test]
fn the_limit_ends_when_nobody_has_to_wait_any_more() {
    let mut scene = Scene::new(2.5e6, 5e6);
    scene.pass(30);
    scene.asked = 1.5e6;
    scene.pass(9);
    assert!(scene.limit.decision().limit.is_some());
    scene.pass(2);
    assert_eq!(scene.limit.decision(), Decision::default());
    assert_eq!(scene.news.last(), Some(&News::Ended));
}

#[test]
fn a_line_that_grows_is_used_again() {
    let mut scene = Scene::new(1e6, 5e6);
    scene.pass(30);
    scene.line = 4e6;
    scene.pass(60);
    let before = scene.n_bytes;
    scene.pass(10);
    assert!(scene.n_bytes - before > 3e7, "{}", scene.n_bytes - before);
}

#[test]
fn a_line_that_shrinks_is_followed() {
    let mut scene = Scene::new(4e6, 5e6);
    scene.pass(30);
    scene.line = 2e6;
    scene.pass(20);
    let held_up = scene.held_up;
    scene.pass(20);
    assert!(scene.held_up - held_up < Duration::from_secs(1));
    assert_eq!(scene.news.len(), 1, "{:?}", scene.news);
}

#[test]
fn a_minority_that_is_slow_is_no_reason() {
    let mut scene = Scene::new(2.5e6, 2e6);
    scene.n_slow = 1;
    scene.pass(60);
    assert_eq!((scene.news.len(), scene.n_put_off), (0, 0));
}

#[test]
fn a_relay_that_stays_slow_costs_listeners_two_seconds_and_no_more() {
    let mut scene = Scene::new(2.5e6, 2e6);
    (scene.n_relays, scene.n_slow) = (1, 1);
    scene.pass(60);
    assert_eq!(scene.news.len(), 2, "{:?}", scene.news);
    assert_eq!(scene.news.last(), Some(&News::GaveUp));
    let waited = STEP * u32::try_from(scene.n_put_off).unwrap();
    assert!(waited <= BRAKE_MAX + STEP, "{waited:?}");
}

#[test]
fn a_relay_that_is_slow_now_and_then_does_not_starve_listeners() {
    let mut scene = Scene::new(2.5e6, 2e6);
    scene.n_relays = 1;
    for n in 0..600 {
        // Given up, it does not count.
        scene.n_slow = usize::from(n % 3 == 0).min(scene.n_relays);
        for _ in 0..10 {
            scene.step();
        }
    }
    assert_eq!(scene.news.last(), Some(&News::GaveUp));
    assert!(scene.rate() > 1.85e6, "{}", scene.rate());
}

#[test]
fn without_relays_a_limit_ends() {
    let mut scene = Scene::new(2.5e6, 5e6);
    scene.pass(30);
    scene.n_relays = 0;
    scene.pass(11);
    assert_eq!(scene.news.last(), Some(&News::Ended));
}
