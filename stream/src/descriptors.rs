//! How many files and sockets the system lets us have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors kept free for files, upstream connections and answers to those turned away.
const KEPT_FREE: u64 = 64;

/// Those who have not said what they want have this share of all at most.
const WAITING_SHARE: u64 = 4;

/// Raises the limit on open files as far as the system allows, and returns it.
pub fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// At most `n_max`, and not more than a quarter of what the system gives: those who wait at the door
/// do not keep others out.
pub fn share(n_max: usize, limit: u64) -> usize {
    let share = usize::try_from(limit / WAITING_SHARE).unwrap_or(usize::MAX);
    share.clamp(1, n_max)
}

/// At most `n_max`, and a quarter of what the system gives is kept for everything else.
pub fn most(n_max: usize, limit: u64) -> usize {
    let most = limit - limit / WAITING_SHARE;
    usize::try_from(most).unwrap_or(usize::MAX).clamp(1, n_max)
}

/// Whether a new descriptor with this number is one of the last: the system gives out the
/// lowest that is free.
pub fn is_among_last(descriptor: i32, limit: u64) -> bool {
    u64::try_from(descriptor).is_ok_and(|number| number + KEPT_FREE >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_descriptors_are_kept_free() {
        let limit = raise();
        assert!(limit > KEPT_FREE, "{limit}");
        assert!(!is_among_last(3, 1024) && !is_among_last(959, 1024));
        assert!(is_among_last(960, 1024) && is_among_last(1023, 1024));
        assert!(!is_among_last(1_000_000, u64::MAX - KEPT_FREE));
        assert_eq!((most(16_384, 1024), most(16_384, u64::MAX)), (768, 16_384));
    }
}
