//! Users are added to a file of passwords, or taken out of it, as the operator wants. The new file is
//! written beside the old one and takes its place as a whole: whoever reads it sees one or the other.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Instant;

use super::{FILE_BYTES_MAX, Htpasswd, parse, seen};

/// What the hash of a new password costs: a tenth of a second.
const COST: u32 = 10;
/// Longer names are refused.
const USER_BYTES_MAX: usize = 128;
/// bcrypt does not look beyond so many bytes.
const PASSWORD_BYTES_MAX: usize = 72;
/// While it is written, nobody else may read it.
const PRIVATE: u32 = 0o600;

/// What is to be done.
pub(in crate::http) enum Change {
    /// This user may listen, too.
    Add { user: String, password: String },
    /// This one may not any more.
    Delete { user: String },
}

impl Htpasswd {
    /// Changes the file. `false`: the user is in it already, or is not.
    ///
    /// # Errors
    /// Says what is wrong; then the file is as it was.
    pub(in crate::http::guard) fn change(
        &self,
        change: &Change,
        now: Instant,
    ) -> Result<bool, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let complain = |what: &str, error: io::Error| {
            format!("cannot {what} {}: {error}", self.path.display())
        };
        // Where the settings name a link, what it leads to is changed.
        let path = self.path.canonicalize().map_err(|e| complain("find", e))?;
        // `/dev/null` is a file in which nobody is; it stays what it is.
        if !path.is_file() {
            let path = self.path.display();
            return Err(format!(
                "{path} is no file: let `htpasswd` of the mount name one"
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| complain("read", e))?;
        let Some(new) = changed(&text, change)? else {
            return Ok(false);
        };
        if new.len() as u64 > FILE_BYTES_MAX {
            return Err(format!(
                "the file would have more than {FILE_BYTES_MAX} bytes"
            ));
        }
        let users = parse(&new)?;
        replace(&path, &new).map_err(|e| complain("write beside", e))?;
        state.users = users.into();
        state.seen = seen(&self.path);
        state.looked = now;
        Ok(true)
    }
}

/// The new text; all other lines stay as they are. `None`: it is the old one.
fn changed(text: &str, change: &Change) -> Result<Option<String>, String> {
    let user = match change {
        Change::Add { user, .. } | Change::Delete { user } => user,
    };
    let is_of_user = |line: &&str| {
        let name = line.trim().split_once(':').map(|(name, _)| name);
        name == Some(user) && !line.trim().starts_with('#')
    };
    let is_there = text.lines().any(|line| is_of_user(&line));
    match change {
        Change::Add { user, password } if !is_there => {
            check(user, password)?;
            let hash = bcrypt::hash(password, COST).map_err(|error| error.to_string())?;
            let gap = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            Ok(Some(format!("{text}{gap}{user}:{hash}\n")))
        }
        Change::Delete { .. } if is_there => {
            let rest = text.lines().filter(|line| !is_of_user(line));
            Ok(Some(rest.map(|line| format!("{line}\n")).collect()))
        }
        Change::Add { .. } | Change::Delete { .. } => Ok(None),
    }
}

fn check(user: &str, password: &str) -> Result<(), String> {
    let is_plain = |c: char| !c.is_control() && c != ':';
    let is_name = !user.is_empty() && user.trim() == user && !user.starts_with('#');
    if !is_name || !user.chars().all(is_plain) || user.len() > USER_BYTES_MAX {
        return Err(format!(
            "a user's name has 1 to {USER_BYTES_MAX} bytes without a colon, and does not begin with #"
        ));
    }
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || password.contains('\0') {
        return Err(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Puts a new file in the place of the old one, with its permissions. Needs a folder that this program
/// may write.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let permissions = std::fs::metadata(path)?.permissions();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let written = write(&beside, text, permissions).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write(beside: &Path, text: &str, permissions: Permissions) -> io::Result<()> {
    let open = || -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(beside)
    };
    let mut file = match open() {
        // Left by a program that was killed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(beside)?;
            open()?
        }
        opened => opened?,
    };
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::http::basic::Credentials;

    const OLD: &str =
        "# ours\ncarl:5f4dcc3b5aa765d61d8327deb882cf99\n\nben:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

    fn add(user: &str, password: &str) -> Change {
        Change::Add {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    fn delete(user: &str) -> Change {
        Change::Delete {
            user: user.to_owned(),
        }
    }

    fn knows(file: &Htpasswd, user: &str, password: &str) -> bool {
        let given = Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        file.knows(&given, Instant::now())
    }

    #[test]
    fn a_user_comes_and_goes_and_all_other_lines_and_the_permissions_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (real, path) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, OLD).unwrap();
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        let file = Htpasswd::load(&path).unwrap();
        let now = Instant::now();
        assert_eq!(file.change(&add("dora", "a:b ü"), now), Ok(true));
        assert_eq!(file.change(&add("dora", "other"), now), Ok(false));
        assert!(knows(&file, "dora", "a:b ü") && !knows(&file, "dora", "other"));
        assert_eq!(file.users_by_name(now), ["ben", "carl", "dora"]);
        let text = std::fs::read_to_string(&real).unwrap();
        assert!(text.starts_with(&format!("{OLD}\ndora:$2")), "{text}");
        assert!(knows(&Htpasswd::load(&path).unwrap(), "dora", "a:b ü"));

        assert_eq!(file.change(&delete("carl"), now), Ok(true));
        assert_eq!(file.change(&delete("carl"), now), Ok(false));
        assert!(!knows(&file, "carl", "password") && knows(&file, "ben", "password"));
        let text = std::fs::read_to_string(&real).unwrap();
        assert!(text.starts_with("# ours\n\nben:"), "{text}");
        let mode = std::fs::metadata(&real).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(path.is_symlink());
        let n_files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(n_files, 2);
    }

    #[test]
    fn what_would_break_the_file_is_refused_and_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listeners");
        std::fs::write(&path, OLD).unwrap();
        let file = Htpasswd::load(&path).unwrap();
        for (user, password) in [
            ("", "x"),
            ("a:b", "x"),
            ("a\nroot", "x"),
            ("#a", "x"),
            (" a", "x"),
            ("a", ""),
        ] {
            assert!(
                file.change(&add(user, password), Instant::now()).is_err(),
                "{user:?}"
            );
        }
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert!(file.change(&add("a", &long), Instant::now()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OLD);
        // What stands in the way of the new file is no file that could be removed.
        let beside = folder.path().join("listeners.new");
        std::fs::create_dir(&beside).unwrap();
        let why = file
            .change(&add("dora", "secret"), Instant::now())
            .unwrap_err();
        assert!(
            why.contains("listeners") && !why.contains("secret"),
            "{why}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OLD);
        assert!(!knows(&file, "dora", "secret"));
    }
}
