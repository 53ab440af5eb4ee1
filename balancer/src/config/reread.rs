//! The settings read again while the balancer runs: what holds at once, and what waits. Pure but for
//! the files of passwords.

use stream::config::Differences;

use super::Config;

/// Keys and sections that only a program that begins anew looks at.
const FIXED: [&str; 9] = [
    "listen",
    "tls",
    "probe_seconds",
    "compare_with",
    "geo_files",
    "geo_builtin",
    "state_directory",
    "share",
    "master",
];

impl Config {
    /// Keeps what only a program that begins anew looks at as it is in `before`, and says what is
    /// different in the rest.
    pub(crate) fn put_back(&mut self, before: &Self) -> Differences {
        let before = before.clone();
        self.listen = before.listen;
        self.tls = before.tls;
        self.probe_seconds = before.probe_seconds;
        self.compare_with = before.compare_with;
        self.geo_files = before.geo_files;
        self.geo_builtin = before.geo_builtin;
        self.state_directory = before.state_directory;
        self.share = before.share;
        self.master = before.master;
        self.keys.put_back(&before.keys, &FIXED)
    }

    pub(super) fn read_passwords(&mut self) -> Result<(), String> {
        if let Some(share) = &mut self.share {
            share.read_password()?;
        }
        for relay in &mut self.relay {
            if let Some(icecast) = &mut relay.icecast {
                icecast
                    .read_password()
                    .map_err(|complaint| format!("relay `{}`: {complaint}", relay.name))?;
            }
        }
        Ok(())
    }
}
