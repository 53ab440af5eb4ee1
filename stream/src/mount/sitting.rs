//! Who sits at a mount: one source, over one uplink or over several at once.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::hearing::Hearing;

/// So many uplinks of one source are taken at once; a further one is told that the mount is in
/// use.
pub const UPLINKS_MAX: usize = 4;

/// Who wants to write a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The user whose password was right.
    pub user: String,
    /// Tells logins apart that have one user's name: see [`crate::secret::Secret::mark`].
    pub login: u64,
    /// The serial number of the logical stream he goes on with, if he says so: connections with
    /// one serial number come from one source.
    pub serial: Option<u32>,
    /// Which of its source's uplinks it is. Of two connections with the same number the newer one
    /// is right; with different numbers both are.
    pub uplink: u32,
}

/// Why a source may not write a mount now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else writes it.
    InUse,
    /// One with the same credentials writes it, and was heard last at this time. If no byte has
    /// come from him since, he may be gone without a word: ask again, until he is heard or makes
    /// room.
    NotYetSilent(Instant),
    /// One with the same credentials writes it but is silent: he is being dismissed, try
    /// again in a moment.
    TakingOver,
    /// There are too many mounts.
    TableFull,
}

/// The connections of the source that sits at a mount.
#[derive(Debug, Default)]
pub(super) struct Sitting {
    sitters: Vec<Sitter>,
    n_sat: u64,
}

#[derive(Debug)]
struct Sitter {
    number: u64,
    claimant: Claimant,
    hearing: Hearing,
    dismissed: CancellationToken,
    /// An order wants him to go.
    is_ended: bool,
}

impl Sitting {
    /// Nobody sits here.
    pub(super) fn is_empty(&self) -> bool {
        self.sitters.is_empty()
    }

    /// How many are not silent.
    pub(super) fn n_delivering(&self, now: Instant) -> usize {
        let sitters = self.sitters.iter();
        sitters.filter(|s| !s.hearing.is_silent(now)).count()
    }

    /// Whether `claimant` may sit down; who has to make room for him is dismissed.
    pub(super) fn admit(&self, claimant: &Claimant, now: Instant) -> Result<(), Refusal> {
        let Some(first) = self.sitters.first() else {
            return Ok(());
        };
        // 0: an older program handed him over.
        let has_same_login = first.claimant.user == claimant.user
            && [0, claimant.login].contains(&first.claimant.login);
        if !has_same_login {
            return Err(Refusal::InUse);
        }
        let is_himself = claimant.serial.is_some() && first.claimant.serial == claimant.serial;
        if is_himself {
            let mut sitters = self.sitters.iter();
            let before = sitters.find(|sitter| sitter.claimant.uplink == claimant.uplink);
            return match before {
                Some(before) => {
                    before.dismissed.cancel();
                    Err(Refusal::TakingOver)
                }
                None if self.sitters.len() < UPLINKS_MAX => Ok(()),
                None => Err(Refusal::InUse),
            };
        }
        if self.sitters.iter().any(|s| !s.hearing.is_silent(now)) {
            let heard = self.sitters.iter().map(|s| s.hearing.last());
            return Err(Refusal::NotYetSilent(heard.max().unwrap_or(now)));
        }
        self.sitters.iter().for_each(|s| s.dismissed.cancel());
        Err(Refusal::TakingOver)
    }

    /// Sits down. Returns the number by which to leave, and what ends when he has to.
    pub(super) fn sit(&mut self, claimant: &Claimant, now: Instant) -> (u64, CancellationToken) {
        self.n_sat += 1;
        let dismissed = CancellationToken::new();
        self.sitters.push(Sitter {
            number: self.n_sat,
            claimant: claimant.clone(),
            hearing: Hearing::new(now),
            dismissed: dismissed.clone(),
            is_ended: false,
        });
        (self.n_sat, dismissed)
    }

    /// Whether who sits here came with this login.
    pub(super) fn came_with(&self, user: &str, login: u64) -> bool {
        let mut sitters = self.sitters.iter();
        sitters.any(|sitter| sitter.claimant.user == user && sitter.claimant.login == login)
    }

    /// Dismisses all, by an order. `false`: there is nobody.
    pub(super) fn end(&mut self) -> bool {
        for sitter in &mut self.sitters {
            sitter.is_ended = true;
            sitter.dismissed.cancel();
        }
        !self.sitters.is_empty()
    }

    /// Whether he was dismissed by an order.
    pub(super) fn is_ended(&self, number: u64) -> bool {
        let mut sitters = self.sitters.iter();
        sitters.any(|sitter| sitter.number == number && sitter.is_ended)
    }

    pub(super) fn heard(&mut self, number: u64, now: Instant) {
        let mut sitters = self.sitters.iter_mut();
        if let Some(sitter) = sitters.find(|sitter| sitter.number == number) {
            sitter.hearing.heard(now);
        }
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.sitters.retain(|sitter| sitter.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::hearing::SILENCE_MIN;
    use std::time::Duration;

    /// Longer than anybody may be silent of whom nothing is known.
    const LONG: Duration = Duration::from_secs(4);

    fn uplink(serial: u32, uplink: u32) -> Claimant {
        Claimant {
            user: "source".to_owned(),
            login: 1,
            serial: Some(serial),
            uplink,
        }
    }

    #[test]
    fn uplinks_of_one_source_sit_beside_each_other_up_to_a_limit() {
        let now = Instant::now();
        let mut sitting = Sitting::default();
        for n in 1..=4 {
            assert_eq!(sitting.admit(&uplink(7, n), now), Ok(()));
            sitting.sit(&uplink(7, n), now);
        }
        assert_eq!(sitting.admit(&uplink(7, 5), now), Err(Refusal::InUse));
        let another = sitting.admit(&uplink(8, 5), now);
        assert_eq!(another, Err(Refusal::NotYetSilent(now)));
    }

    #[test]
    fn a_newer_connection_replaces_that_of_its_own_uplink_and_no_other() {
        let now = Instant::now();
        let mut sitting = Sitting::default();
        let (first, dismissed) = sitting.sit(&uplink(7, 1), now);
        let (_, beside) = sitting.sit(&uplink(7, 2), now);
        assert_eq!(sitting.admit(&uplink(7, 1), now), Err(Refusal::TakingOver));
        assert!(dismissed.is_cancelled() && !beside.is_cancelled());
        sitting.leave(first);
        assert_eq!(sitting.admit(&uplink(7, 1), now), Ok(()));
        assert!(!sitting.is_empty());
    }

    #[test]
    fn another_stream_of_the_same_user_waits_until_all_uplinks_are_silent() {
        let now = Instant::now();
        let mut sitting = Sitting::default();
        let (_, first) = sitting.sit(&uplink(7, 1), now);
        let (second, _) = sitting.sit(&uplink(7, 2), now);
        let later = now + LONG;
        sitting.heard(second, later);
        let other = sitting.admit(&uplink(8, 1), later);
        assert_eq!(other, Err(Refusal::NotYetSilent(later)));
        let later = later + 4 * LONG;
        assert_eq!(
            sitting.admit(&uplink(8, 1), later),
            Err(Refusal::TakingOver)
        );
        assert!(first.is_cancelled());
    }

    #[test]
    fn a_login_that_only_shares_the_users_name_never_takes_over() {
        let now = Instant::now();
        let mut sitting = Sitting::default();
        let (_, dismissed) = sitting.sit(&uplink(7, 1), now);
        let later = now + 10 * LONG;
        for serial in [7, 8] {
            let other = Claimant {
                login: 2,
                ..uplink(serial, 1)
            };
            assert_eq!(sitting.admit(&other, later), Err(Refusal::InUse));
        }
        assert!(!dismissed.is_cancelled());
        assert_eq!(
            sitting.admit(&uplink(8, 1), later),
            Err(Refusal::TakingOver)
        );
    }

    #[test]
    fn two_encoders_that_send_a_page_a_second_do_not_take_the_mount_from_each_other() {
        let mut now = Instant::now();
        let mut sitting = Sitting::default();
        let (one, dismissed) = sitting.sit(&uplink(7, 1), now);
        let mut heard = now;
        for _ in 0..30 {
            // The other one tries just before the next page comes, which is late.
            now += SILENCE_MIN + Duration::from_millis(300);
            let other = sitting.admit(&uplink(8, 1), now);
            assert_eq!(other, Err(Refusal::NotYetSilent(heard)));
            sitting.heard(one, now);
            heard = now;
        }
        assert!(!dismissed.is_cancelled());
        now += LONG;
        assert_eq!(sitting.admit(&uplink(8, 1), now), Err(Refusal::TakingOver));
    }
}
