//! How those speak who are asked about listeners and sources: who we are to them, what they are told
//! of a request, and which header of theirs says yes. Icecast's ways, unless the settings say
//! otherwise. Pure.

use crate::config::ConfigError;
use crate::http::head::Head;
use crate::http::serving::MountSettings;
use crate::post::{PostUrl, Reply};

/// The most headers of a request that are told.
const FORWARDED_MAX: usize = 16;
/// By this header they say yes.
const YES: &str = "icecast-auth-user: 1";
/// In these they say for how long.
const TIMELIMITS: [&str; 2] = ["icecast-auth-timelimit", "icecast-timelimit"];

/// How they speak.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    /// The header that says yes.
    yes: String,
    /// What it has to say; `None`: it only has to be there.
    word: Option<String>,
    timelimits: Vec<String>,
    forwarded: Vec<String>,
    prefix: String,
}

impl Manners {
    pub(super) fn of(mount: &MountSettings) -> Self {
        let (yes, word) = header_and_word(mount.auth_header.as_deref().unwrap_or(YES));
        let limits = match &mount.auth_timelimit_header {
            Some(header) => vec![header_and_word(header).0],
            None => TIMELIMITS.map(str::to_owned).to_vec(),
        };
        Self {
            yes,
            word,
            timelimits: limits,
            forwarded: mount.auth_forward_headers.clone(),
            prefix: mount.auth_forward_prefix.clone(),
        }
    }

    /// Whether they say yes: with the word, or a list of words among which it is.
    pub(super) fn is_yes(&self, reply: &Reply) -> bool {
        reply
            .header(&self.yes)
            .is_some_and(|said| self.is_the_word(&said))
    }

    fn is_the_word(&self, said: &str) -> bool {
        match &self.word {
            Some(word) => said.trim() == word || said.split(',').any(|one| one.trim() == word),
            None => true,
        }
    }

    /// For how many seconds, if they say so.
    pub(super) fn seconds(&self, reply: &Reply) -> Option<u64> {
        let mut limits = self.timelimits.iter();
        let seconds = limits.find_map(|name| reply.header(name)?.trim().parse().ok());
        seconds.filter(|seconds| *seconds > 0)
    }

    /// What they are told of a request beside the usual: fields of a form.
    pub(super) fn told(&self, head: &Head) -> Vec<(String, String)> {
        let told = self.forwarded.iter().filter_map(|name| {
            let value = head.header(&name.to_ascii_lowercase())?;
            Some((format!("{}{name}", self.prefix), value.to_owned()))
        });
        told.collect()
    }
}

impl MountSettings {
    /// The address, with who we say we are there.
    #[must_use]
    pub fn showing(&self, url: &PostUrl) -> PostUrl {
        match &self.auth_password {
            Some(password) => url.clone().showing(&self.auth_user, password),
            None => url.clone(),
        }
    }

    /// Refuses what cannot work in this.
    pub(in crate::http) fn check_manners(&self) -> Result<(), ConfigError> {
        let complain = |key: &str, why: &str| {
            let path = &self.path;
            Err(ConfigError::new(format!("`{key}` of mount `{path}` {why}")))
        };
        let header = self.auth_header.as_deref().unwrap_or(YES);
        if !is_name(&header_and_word(header).0) {
            return complain("auth_header", "must look like \"icecast-auth-user: 1\"");
        }
        let limit = self.auth_timelimit_header.as_deref();
        if limit.is_some_and(|limit| !is_name(&header_and_word(limit).0)) {
            return complain(
                "auth_timelimit_header",
                "must be the name of a header, such as \"icecast-auth-timelimit\"",
            );
        }
        let forwarded = &self.auth_forward_headers;
        if forwarded.len() > FORWARDED_MAX || !forwarded.iter().all(|name| is_name(name)) {
            return complain(
                "auth_forward_headers",
                "must be names of headers, such as [\"cookie\"], at most 16",
            );
        }
        let prefix = &self.auth_forward_prefix;
        if !prefix.is_empty() && !is_name(prefix) {
            return complain(
                "auth_forward_prefix",
                "may have letters, digits, -, _ and .",
            );
        }
        if self.auth_user.contains(':') {
            return complain(
                "auth_user",
                "may not contain a colon: HTTP has no way to send it",
            );
        }
        if !self.auth_user.is_empty() && self.auth_password.is_none() {
            return complain("auth_user", "needs an `auth_password`");
        }
        let says_how = self.auth_header.is_some() || limit.is_some() || !forwarded.is_empty();
        if says_how && self.listener_auth_url.is_none() && self.source_auth_url.is_none() {
            return complain(
                "auth_header`, `auth_timelimit_header` or `auth_forward_headers",
                "needs `listener_auth_url` or `source_auth_url`: nobody is asked",
            );
        }
        Ok(())
    }
}

/// `name: word`, or a name alone, with a colon or without.
fn header_and_word(text: &str) -> (String, Option<String>) {
    let (name, word) = text.split_once(':').unwrap_or((text, ""));
    let word = word.trim();
    (
        name.trim().to_owned(),
        (!word.is_empty()).then(|| word.to_owned()),
    )
}

fn is_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::super::Guard;
    use super::*;

    fn settings(more: &str) -> MountSettings {
        toml::from_str(&format!("path = \"/a\"\n{more}")).unwrap()
    }

    #[test]
    fn yes_is_the_word_or_a_list_of_words_among_which_it_is() {
        let is_yes = |more: &str, said: &str| Manners::of(&settings(more)).is_the_word(said);
        for (said, expected) in [
            ("1", true),
            ("withintro=1, 1", true),
            ("0", false),
            ("11", false),
        ] {
            assert_eq!(is_yes("", said), expected, "{said}");
        }
        let own = "auth_header = \"X-Ok: yes, you\"";
        assert!(is_yes(own, "yes, you") && !is_yes(own, "yes"));
        assert!(is_yes("auth_header = \"X-Ok\"", ""));
        assert_eq!(Manners::of(&settings(own)).yes, "X-Ok");
    }

    #[test]
    fn headers_are_told_that_are_there_under_the_names_of_the_settings() {
        let manners = Manners::of(&settings(
            "auth_forward_headers = [\"Cookie\", \"X-None\"]\nauth_forward_prefix = \"CH.\"",
        ));
        let text = b"GET / HTTP/1.1\r\ncookie: a=b&c\r\nX-Other: d\r\n\r\n";
        let head = Head::parse(text).unwrap().unwrap();
        let told = [("CH.Cookie".to_owned(), "a=b&c".to_owned())];
        assert_eq!(manners.told(&head), told);
    }

    #[test]
    fn who_is_told_of_departures_is_shown_our_password_as_well() {
        let settings = settings(
            "listener_auth_url = \"http://a/\"\nlistener_remove_url = \"http://b/\"\n\
             auth_user = \"us\"\nauth_password = \"p w\"",
        );
        let guard = Guard::new(std::slice::from_ref(&settings), None).unwrap();
        let bare = settings.listener_remove_url.clone().unwrap();
        let shown = settings.showing(&bare);
        assert_ne!(shown, bare);
        assert_eq!(guard.told_of_departures(&settings.path), Some(&shown));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name_and_no_password_is_said() {
        let asks = "listener_auth_url = \"http://a/\"\nauth_password = \"s3same\"\n";
        settings(&format!("{asks}auth_user = \"us\""))
            .check_manners()
            .unwrap();
        let names = vec!["\"a\""; FORWARDED_MAX + 1].join(", ");
        let too_many = format!("auth_forward_headers = [{names}]");
        for (more, key) in [
            ("auth_header = \"a b: 1\"", "auth_header"),
            ("auth_timelimit_header = \":\"", "auth_timelimit_header"),
            ("auth_forward_headers = [\"a&b\"]", "auth_forward_headers"),
            ("auth_forward_prefix = \"&\"", "auth_forward_prefix"),
            ("auth_user = \"a:b\"", "auth_user"),
            (too_many.as_str(), "auth_forward_headers"),
        ] {
            let complaint = settings(&format!("{asks}{more}"))
                .check_manners()
                .unwrap_err();
            let complaint = complaint.to_string();
            assert!(
                complaint.contains(key) && !complaint.contains("s3same"),
                "{complaint}"
            );
        }
        for (more, word) in [
            ("auth_user = \"us\"", "auth_password"),
            ("auth_header = \"a\"", "listener_auth_url"),
        ] {
            let complaint = settings(more).check_manners().unwrap_err().to_string();
            assert!(complaint.contains(word), "{complaint}");
        }
        assert!(!format!("{:?}", settings(asks)).contains("s3same"));
    }
}
