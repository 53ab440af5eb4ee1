//! An icecast.xml, tag by tag, as settings of a master. Pure.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use stream::listen::Listen;
use stream::mount::MountPath;
use stream::secret::Secret;

use super::closing::{self, Closing};
use super::draft::{Draft, Table};
use super::{remarks, trial};

/// Tags below this depth are not looked at.
const DEPTH_MAX: usize = 8;
/// More elements are refused.
const ELEMENTS_MAX: u32 = 100_000;
/// Icecast's burst is in bytes; this many are a second of a usual stream (128 kbit/s).
const BYTES_A_SECOND: f64 = 16_000.0;
/// What Icecast sends at once if nobody says anything: as much as is the default here.
const BURST_BYTES: std::ops::RangeInclusive<u64> = 65_000..=66_000;
/// The longest burst, in seconds.
const BURST_SECONDS_MAX: f64 = 60.0;

/// What a translation needs of the machine it is made on.
pub trait World {
    /// A password that nobody can guess.
    ///
    /// # Errors
    /// When there is no randomness.
    fn new_password(&mut self) -> Result<String, String>;
    /// Whether this file is there.
    fn is_file(&self, path: &str) -> bool;
    /// What is in a file, if it is there, is text and is not too long.
    fn text_of(&self, path: &str) -> Option<String>;
    /// Whether this is a master.toml that works.
    ///
    /// # Errors
    /// Says why not.
    fn check(&self, toml: &str) -> Result<(), String>;
}

/// The settings, and how much of the file they are.
#[derive(Debug)]
pub struct Translated {
    /// The text of a master.toml.
    pub toml: String,
    /// Keys it has.
    pub n_keys: usize,
    /// Tags that became comments.
    pub n_remarks: usize,
    /// What is to be looked at before anything else.
    pub warnings: Vec<String>,
}

/// Translates a whole file.
///
/// # Errors
/// When it is no icecast.xml, in words.
pub fn translate(xml: &str, world: &mut dyn World) -> Result<Translated, String> {
    let options = ParsingOptions {
        allow_dtd: true,
        nodes_limit: ELEMENTS_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(xml, options)
        .map_err(|error| format!("it is not XML: {error}"))?;
    let root = document.root_element();
    if root.tag_name().name() != "icecast" {
        return Err(format!(
            "it begins with <{}>, an icecast.xml with <icecast>",
            root.tag_name().name()
        ));
    }
    let mut translation = Translation {
        draft: Draft::default(),
        world,
        listen: None,
        words: BTreeMap::new(),
        closing: Closing::default(),
    };
    for child in root.children().filter(Node::is_element) {
        translation.take(child, "", 1)?;
    }
    translation.finish()
}

pub(super) struct Translation<'a> {
    pub(super) draft: Draft,
    pub(super) world: &'a mut dyn World,
    /// Where it listens.
    pub(super) listen: Option<Listen>,
    /// What is put together from several tags.
    pub(super) words: BTreeMap<&'static str, String>,
    pub(super) closing: Closing,
}

impl Translation<'_> {
    pub(super) fn take(
        &mut self,
        node: Node<'_, '_>,
        above: &str,
        depth: usize,
    ) -> Result<(), String> {
        let name = node.tag_name().name();
        let path = match above {
            "" => name.to_owned(),
            above => format!("{above}/{name}"),
        };
        match path.as_str() {
            "listen-socket" => return self.take_socket(node, depth),
            "mount" => return self.take_mount(node, depth),
            "http-headers" => {
                if let Some(headers) = self.take_headers(name, node) {
                    self.draft.top.set("headers", headers);
                }
                return Ok(());
            }
            "yp-directory" if node.has_attribute("url") => {
                self.take_directory("yp-directory", node.attribute("url").unwrap_or_default());
                for child in node.children().filter(Node::is_element) {
                    self.take(child, "yp-directory", depth + 1)?;
                }
                return Ok(());
            }
            "authentication" | "listen-socket/authentication" if closing::protects(node) => {
                self.closing.all_by = Some("<authentication> for all mounts");
            }
            // One remark is enough for a whole relay.
            "relay" => {
                let said = word(node, "server").unwrap_or_default();
                self.remark("relay", &said);
                return Ok(());
            }
            _ => {}
        }
        let has_children = node.children().any(|child| child.is_element());
        if has_children && depth < DEPTH_MAX {
            for child in node.children().filter(Node::is_element) {
                self.take(child, &path, depth + 1)?;
            }
            return Ok(());
        }
        self.take_word(&path, &text(node), node)
    }

    fn take_word(&mut self, path: &str, said: &str, node: Node<'_, '_>) -> Result<(), String> {
        match path {
            "hostname" => self.keep("hostname", said),
            "limits/clients" => self.number(path, said, |draft, n| draft.slots.set("listeners", n)),
            "limits/source-timeout" => self.number(path, said, |draft, n| {
                draft.top.set("source_timeout_seconds", n.max(1));
            }),
            "limits/burst-on-connect" => self.keep("burst-on-connect", said),
            "limits/burst-size" => self.keep("burst-size", said),
            "authentication/source-password" => {
                let login = self.login("source", said)?;
                self.draft.sources.insert(0, login);
            }
            "authentication/relay-user" => self.keep("relay-user", said),
            "authentication/relay-password" => self.keep("relay-password", said),
            "authentication/admin-user" => self.keep("admin-user", said),
            "authentication/admin-password" => self.keep("admin-password", said),
            "paths/alias" => self.take_alias(node),
            "shoutcast-mount" | "listen-socket/shoutcast-mount" => match MountPath::parse(said) {
                Ok(mount) if self.draft.shoutcast.get("mount").is_some() => {
                    let why = "[shoutcast] has one mount, the first that is named: at another port, \
                               too, who sends to this one writes it before his password, such as";
                    self.draft
                        .remark(path, said, &format!("{why} {mount}:PASSWORD"));
                }
                Ok(mount) => self.draft.shoutcast.set("mount", mount.as_str()),
                Err(why) => self.draft.remark(path, said, &why),
            },
            "paths/ssl-certificate" | "tls-context/tls-certificate" => {
                self.keep("certificate", said);
            }
            "paths/ssl-private-key" | "tls-context/tls-key" => self.keep("key", said),
            "directory/yp-url" => self.take_directory(path, said),
            "mount/cluster-password" => self.take_cluster_password(path, said),
            "paths/allow-ip" => self.take_addresses(path, "allow", said),
            "paths/deny-ip" | "paths/ban-file" => self.take_addresses(path, "deny", said),
            _ => {
                let said = match said {
                    "" => attributes(node),
                    said => said.to_owned(),
                };
                self.remark(path, &said);
            }
        }
        Ok(())
    }

    fn take_alias(&mut self, node: Node<'_, '_>) {
        let attribute = |name| node.attribute(name).unwrap_or_default();
        let to = match attribute("destination") {
            "" => attribute("dest"),
            to => to,
        };
        let path = attribute("source");
        match (MountPath::parse(path), MountPath::parse(to)) {
            (Ok(path), Ok(to)) => {
                let mut alias = Table::default();
                alias.set("path", path.as_str());
                alias.set("to", to.as_str());
                self.draft.aliases.push(alias);
            }
            _ => self.remark("paths/alias", &format!("{path} to {to}")),
        }
    }

    /// What is put together at the end.
    fn finish(mut self) -> Result<Translated, String> {
        self.finish_listen();
        self.finish_burst();
        self.finish_address();
        self.finish_directory();
        self.finish_tls();
        for (role, user, password) in [
            ("relay", "relay-user", "relay-password"),
            ("admin", "admin-user", "admin-password"),
        ] {
            let Some(password) = self.words.get(password).cloned() else {
                continue;
            };
            let user = self.words.get(user).cloned();
            let login = self.login(user.as_deref().unwrap_or(role), &password)?;
            match role {
                "relay" => self.draft.relay = login,
                _ => self.draft.admin = login,
            }
        }
        if self.draft.sources.is_empty() {
            let mut login = Table::default();
            login.set("user", "source");
            login.set_because(
                "password",
                self.world.new_password()?,
                "No password for sources was in the file. This one is new: tell it to whoever publishes.",
            );
            self.draft.sources.push(login);
        }
        self.finish_closing();
        trial::settle(&mut self.draft, self.world);
        self.draft.close_what_is_left_out();
        trial::settle(&mut self.draft, self.world);
        let (n_keys, n_remarks) = self.draft.counts();
        Ok(Translated {
            toml: self.draft.write(),
            n_keys,
            n_remarks,
            warnings: self.draft.warnings,
        })
    }

    fn finish_burst(&mut self) {
        let is_off = self.words.get("burst-on-connect").map(String::as_str) == Some("0");
        let n_bytes = self.words.get("burst-size").and_then(|n| n.parse().ok());
        match (is_off, n_bytes) {
            (true, _) => self.draft.top.set("burst_seconds", 0.0),
            (false, Some(n_bytes)) if !BURST_BYTES.contains(&n_bytes) => {
                self.draft.top.set_because(
                    "burst_seconds",
                    seconds_of(n_bytes),
                    format!("{n_bytes} bytes are so many seconds of a stream of 128 kbit/s."),
                );
            }
            _ => {}
        }
    }

    fn finish_tls(&mut self) {
        let Some(certificate) = self.words.get("certificate").cloned() else {
            return;
        };
        // Icecast's own file holds both.
        let key = self.words.get("key").unwrap_or(&certificate).clone();
        let missing = [&certificate, &key]
            .into_iter()
            .find(|file| !self.world.is_file(file));
        match missing {
            None => {
                self.draft.tls.set("certificate", certificate);
                self.draft.tls.set("key", key);
            }
            Some(missing) => {
                let why = format!(
                    "{missing} is not there (a chroot?): write where it is, without the #."
                );
                self.draft.tls.propose("certificate", certificate, &why);
                self.draft.tls.propose("key", key, "");
            }
        }
    }

    pub(super) fn login(&mut self, user: &str, password: &str) -> Result<Table, String> {
        let mut login = Table::default();
        login.set("user", user);
        match Secret::new(password) {
            Ok(_) => login.set("password", password),
            Err(_) => login.set_because(
                "password",
                self.world.new_password()?,
                "The old one is well known or shorter than 8 characters, and refused. This one is new: \
                 tell it\nto whoever uses it.",
            ),
        }
        Ok(login)
    }

    pub(super) fn keep(&mut self, what: &'static str, said: &str) {
        self.words.insert(what, said.to_owned());
    }

    fn number(&mut self, path: &str, said: &str, set: impl Fn(&mut Draft, i64)) {
        match said.parse() {
            Ok(number) if (0..=i64::from(u32::MAX)).contains(&number) => {
                set(&mut self.draft, number);
            }
            _ => self.draft.remark(path, said, "this is no number"),
        }
    }

    pub(super) fn remark(&mut self, path: &str, said: &str) {
        let said = if path.contains("password") { "" } else { said };
        let instead = remarks::instead(path);
        let instead =
            instead.unwrap_or("neither Icecast 2.4, 2.5 nor KH knows it, as far as we know");
        self.draft.remark(path, said, instead);
    }
}

/// In tenths, and within what is allowed.
pub(super) fn seconds_of(n_bytes: u64) -> f64 {
    let seconds = n_bytes as f64 / BYTES_A_SECOND;
    (seconds * 10.0).round().min(BURST_SECONDS_MAX * 10.0) / 10.0
}

pub(super) fn word(node: Node<'_, '_>, name: &str) -> Option<String> {
    let mut children = node.children();
    let child = children.find(|child| child.has_tag_name(name))?;
    Some(text(child)).filter(|text| !text.is_empty())
}

/// All text in it, also around comments, on one line.
pub(super) fn text(node: Node<'_, '_>) -> String {
    let pieces = node.children().filter(Node::is_text);
    let whole: String = pieces.filter_map(|piece| piece.text()).collect();
    // A key and its value are one line.
    let whole = whole.replace(char::is_control, " ");
    whole.trim().to_owned()
}

pub(super) fn attributes(node: Node<'_, '_>) -> String {
    // Options may hold passwords: only what they are called is repeated.
    let all = node.attributes();
    let said = all.map(|attribute| match attribute.name() {
        "name" | "source" | "type" | "trigger" => attribute.value().to_owned(),
        other => format!("{other}=…"),
    });
    said.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests;
