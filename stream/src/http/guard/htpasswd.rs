//! A file of users and passwords, as `htpasswd` and Icecast write them, read again when it changes.

mod change;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::config::ConfigError;
use crate::http::basic::Credentials;

pub(in crate::http) use change::Change;

/// A file is not read beyond this many bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How often a file is looked at, when somebody comes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A hash that takes longer than this cost is refused: one look would take seconds.
const COST_MAX: u32 = 14;
/// Checked where there is no such user, so that it takes as long as for one that there is.
const NOBODY: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.8DgrTXdC3d4hvqcko78uYqZWwRsctu2";

/// A file of users and passwords.
#[derive(Debug)]
pub(super) struct Htpasswd {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: Arc<HashMap<String, String>>,
    /// How the file looked that was read.
    seen: Option<Seen>,
    looked: Instant,
    /// What was wrong with it last.
    complaint: Option<String>,
}

/// What changes when the file does, or who may read it: which it is, its length, when it was written,
/// and when anything about it was changed.
type Seen = [i128; 4];

impl Htpasswd {
    /// # Errors
    /// When the file cannot be read, or a line of it cannot be used.
    pub(super) fn load(path: &Path) -> Result<Self, ConfigError> {
        let seen = seen(path);
        let users = read(path).map_err(ConfigError::new)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                users: Arc::new(users),
                seen,
                looked: Instant::now(),
                complaint: None,
            }),
        })
    }

    /// Whether the user is in the file, with this password. Takes its time: not for a thread that
    /// others wait for.
    pub(super) fn knows(&self, given: &Credentials, now: Instant) -> bool {
        let users = self.users(now);
        let hash = users.get(&given.user).map(String::as_str);
        matches(hash.unwrap_or(NOBODY), &given.password) && hash.is_some()
    }

    /// The names in it, in their order.
    pub(super) fn users_by_name(&self, now: Instant) -> Vec<String> {
        let mut names: Vec<String> = self.users(now).keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn users(&self, now: Instant) -> Arc<HashMap<String, String>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) >= LOOK_EVERY {
            state.looked = now;
            let is = seen(&self.path);
            if is != state.seen {
                match read(&self.path) {
                    Ok(users) => {
                        state.users = Arc::new(users);
                        state.seen = is;
                        state.complaint = None;
                    }
                    // It is tried again, and said once.
                    Err(why) if state.complaint.as_ref() != Some(&why) => {
                        warn!("{why}; those who were in it before may go on listening");
                        state.complaint = Some(why);
                    }
                    Err(_) => {}
                }
            }
        }
        Arc::clone(&state.users)
    }
}

fn seen(path: &Path) -> Option<Seen> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(path).ok()?;
    let at = |seconds: i64, billionths: i64| {
        i128::from(seconds) * 1_000_000_000 + i128::from(billionths)
    };
    Some([
        i128::from(about.dev()) << 64 | i128::from(about.ino()),
        about.len().into(),
        at(about.mtime(), about.mtime_nsec()),
        at(about.ctime(), about.ctime_nsec()),
    ])
}

fn read(path: &Path) -> Result<HashMap<String, String>, String> {
    let complain = |what: String| format!("cannot use `htpasswd` {}: {what}", path.display());
    let size = std::fs::metadata(path).map_err(|error| complain(error.to_string()))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(complain(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
    parse(&text).map_err(complain)
}

/// Users and hashes.
fn parse(text: &str) -> Result<HashMap<String, String>, String> {
    let mut users = HashMap::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((user, hash)) = line.split_once(':') else {
            return Err(format!("line {number} is not `user:hash`"));
        };
        if !is_known(hash) {
            return Err(format!(
                "line {number}: this kind of hash is not understood; make it with: htpasswd -B"
            ));
        }
        users.insert(user.to_owned(), hash.to_owned());
    }
    Ok(users)
}

fn is_known(hash: &str) -> bool {
    if let Some(cost) = cost(hash) {
        return (4..=COST_MAX).contains(&cost) && hash.len() == 60;
    }
    hash.starts_with("{SHA}") || is_hex(hash)
}

/// What a hash of bcrypt costs.
fn cost(hash: &str) -> Option<u32> {
    let rest = ["$2y$", "$2b$", "$2a$"]
        .iter()
        .find_map(|start| hash.strip_prefix(start))?;
    rest.get(..2)?.parse().ok()
}

/// As Icecast writes them: MD5, in hexadecimal digits.
fn is_hex(hash: &str) -> bool {
    hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit())
}

fn matches(hash: &str, password: &str) -> bool {
    if cost(hash).is_some() {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    if let Some(sum) = hash.strip_prefix("{SHA}") {
        let sum = STANDARD.decode(sum).unwrap_or_default();
        let given = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        return given.as_ref().ct_eq(&sum).into();
    }
    let given: String = Md5::digest(password.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    given
        .as_bytes()
        .ct_eq(hash.to_ascii_lowercase().as_bytes())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    const FILE: &str = "# made by htpasswd -B, htpasswd -s, Icecast\n\
        anna:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n\
        ben:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\n\
        carl:5f4dcc3b5aa765d61d8327deb882cf99\n";

    #[test]
    fn the_hashes_of_htpasswd_and_of_icecast_are_understood() {
        let users = parse(FILE).unwrap();
        for (user, password) in [
            ("anna", "myPassword"),
            ("ben", "password"),
            ("carl", "password"),
        ] {
            assert!(matches(&users[user], password), "{user}");
            assert!(!matches(&users[user], "Password"), "{user}");
            assert!(!matches(&users[user], ""), "{user}");
        }
        assert!(!matches(NOBODY, ""));
    }

    #[test]
    fn lines_that_cannot_be_used_are_named_and_never_shown() {
        for (line, word) in [
            ("anna", "line 1"),
            ("a:$2y$05$short", "htpasswd -B"),
            (
                "a:$2y$31$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
                "line 1",
            ),
            ("a:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", "htpasswd -B"),
            ("a:plain secret", "htpasswd -B"),
        ] {
            let why = parse(line).unwrap_err();
            assert!(why.contains(word) && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listeners");
        std::fs::write(&path, "carl:5f4dcc3b5aa765d61d8327deb882cf99\n").unwrap();
        let file = Htpasswd::load(&path).unwrap();
        let carl = given("carl", "password");
        let mut now = Instant::now();
        let mut knows = |text: Option<&str>, who: &Credentials| {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            now += LOOK_EVERY;
            file.knows(who, now)
        };
        assert!(knows(None, &carl) && !knows(None, &given("dora", "password")));
        assert!(knows(Some("nonsense"), &carl));
        let tried = |file: &Htpasswd| {
            let state = file.state.lock().unwrap();
            (state.seen == seen(&path), state.complaint.is_some())
        };
        assert_eq!(tried(&file), (false, true), "it is tried again");
        assert!(!knows(
            Some("ben:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"),
            &carl
        ));
        assert!(knows(None, &given("ben", "password")));
        // What is of the same length, and says that it is as old.
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "eva:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").unwrap();
        let opened = std::fs::File::options().write(true).open(&path).unwrap();
        opened.set_modified(written).unwrap();
        assert!(knows(None, &given("eva", "password")));
    }
}
