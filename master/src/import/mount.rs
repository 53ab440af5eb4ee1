//! A `<mount>` of an icecast.xml. Pure.

use jiff::Timestamp;
use roxmltree::Node;
use stream::mount::{ICY_INTERVAL_BYTES, MountPath};
use stream::post::PostUrl;
use stream::text::Charset;

use super::closing::{self, is_for_listeners};
use super::draft::Table;
use super::translate::{Translation, attributes, seconds_of, text, word};
use super::{remarks, station};
use crate::dump;

/// Whether a name can be made of a pattern does not depend on the time.
const SOME_TIME: Timestamp = Timestamp::UNIX_EPOCH;

/// Icecast-KH takes a name with a star for all mounts that are called so.
const OF_PATTERNS: &str = "With Icecast-KH this stood for each mount whose name fits. Here a [[mount]] \
                           is for one path:\nwrite one for each, without the star, and take the # away.";

impl Translation<'_> {
    pub(super) fn take_mount(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), String> {
        let is_for_all = node.attribute("type") == Some("default");
        let name = word(node, "mount-name").unwrap_or_default();
        let path = match MountPath::parse(&name) {
            Ok(path) if !is_for_all => path,
            Ok(_) | Err(_) if is_for_all => return self.take_mount_for_all(node, depth),
            Ok(_) => return Ok(()),
            Err(why) => {
                self.draft.remark("mount", &name, &why);
                return Ok(());
            }
        };
        let is_pattern = name.contains('*');
        let path = if is_pattern { &name } else { path.as_str() };
        if !is_pattern && !self.closing.named.iter().any(|named| named == path) {
            self.closing.named.push(path.to_owned());
        }
        let mut table = Table::default();
        table.set("path", path);
        let mut authentications = node.children().filter(|n| n.has_tag_name("authentication"));
        if is_pattern && authentications.any(closing::protects) {
            self.closing.unnamed_by = Some("<mount-name> with a *");
            let why = "each mount it stood for needs a [[mount]] with a password: see there";
            self.draft.remark("mount/mount-name", path, why);
        } else {
            self.take_login_of_mount(node, path)?;
        }
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "mount-name" | "username" | "password" => {}
                name => {
                    if !self.take_word_of_mount(&mut table, name, child) {
                        self.take(child, "mount", depth + 1)?;
                    }
                }
            }
        }
        if is_pattern {
            for line in 0..table.n_lines() {
                table.set_off(line, true);
            }
            table.say(0, OF_PATTERNS);
        }
        if table.n_lines() > 1 {
            self.draft.mounts.push(table);
        }
        Ok(())
    }

    /// Who may publish a mount, or all mounts whose name begins so (`/live*`).
    fn take_login_of_mount(&mut self, node: Node<'_, '_>, path: &str) -> Result<(), String> {
        if let Some(password) = word(node, "password") {
            let user = word(node, "username").unwrap_or_else(|| "source".to_owned());
            let mut login = self.login(&user, &password)?;
            login.set_because(
                "mounts",
                vec![path],
                "The password for all mounts, if there is one, works here, too: with Icecast it did not.",
            );
            self.draft.sources.push(login);
        } else if let Some(user) = word(node, "username") {
            // With Icecast he has the password of all sources.
            let mut all = node.document().descendants();
            let password = all.find(|node| node.has_tag_name("source-password"));
            let Some(password) = password.map(text) else {
                let why = "a user needs a password: add a [[source]] with both";
                self.draft.remark("mount/username", &user, why);
                return Ok(());
            };
            let mut login = self.login(&user, &password)?;
            login.set_because(
                "mounts",
                vec![path],
                "With the password for all mounts, whose user works here, too: with Icecast he did not.",
            );
            self.draft.sources.push(login);
        }
        Ok(())
    }

    /// What holds for mounts that have no settings of their own.
    fn take_mount_for_all(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), String> {
        let tag = |name: &str| format!("mount type=\"default\"/{name}");
        if let Some(password) = word(node, "password") {
            let user = word(node, "username").unwrap_or_else(|| "source".to_owned());
            let mut login = self.login(&user, &password)?;
            login.set_because(
                "mounts",
                vec!["/*"],
                "Of <mount type=\"default\">: it may publish the other mounts, too.",
            );
            self.draft.sources.push(login);
        }
        for child in node.children().filter(Node::is_element) {
            let (name, said) = (child.tag_name().name(), text(child));
            match name {
                "username" | "password" => {}
                "burst-size" => self.keep("burst-size", &said),
                "source-timeout" => match said.parse::<u32>() {
                    Ok(seconds) => {
                        let seconds = i64::from(seconds.max(1));
                        self.draft.top.set("source_timeout_seconds", seconds);
                    }
                    Err(_) => self.draft.remark(&tag(name), &said, "this is no number"),
                },
                name => match remarks::key_of_each_mount(name) {
                    Some(key) => {
                        if name == "authentication" && closing::protects(child) {
                            self.closing.unnamed_by = Some("<mount type=\"default\">");
                        }
                        let said = if name == "authentication" { "" } else { &said };
                        let why = format!("no key for all mounts: `{key}` of each [[mount]]");
                        self.draft.remark(&tag(name), said, &why);
                    }
                    None => self.take(child, "mount", depth + 1)?,
                },
            }
        }
        Ok(())
    }

    /// `false`: there is no key for it.
    fn take_word_of_mount(&mut self, table: &mut Table, name: &str, node: Node<'_, '_>) -> bool {
        let said = text(node);
        if station::take_word(table, name, &said) {
            return true;
        }
        match name {
            "burst-size" => match said.parse() {
                Ok(n_bytes) => table.set("burst_seconds", seconds_of(n_bytes)),
                Err(_) => return false,
            },
            // -1 is without a limit there.
            "max-listeners" => match said.parse::<i64>() {
                Ok(number @ 0..) => table.set("max_listeners", number),
                _ => return false,
            },
            "max-listener-duration" => match said.parse::<i64>() {
                Ok(seconds @ 1..) => table.set("max_listener_seconds", seconds),
                _ => return false,
            },
            "hidden" if station::is_true(&said) => table.set("hidden", true),
            "fallback-mount" if self.in_webroot(node, &said).is_some() => {
                let file = self.in_webroot(node, &said).unwrap_or_default();
                table.set("fallback_file", file.as_str());
            }
            "intro" if said.starts_with('/') && self.world.is_file(&said) => {
                table.set("intro_file", said.as_str());
            }
            "intro" => match self.in_webroot(node, &said) {
                Some(file) => table.set("intro_file", file.as_str()),
                None => return false,
            },
            "dump-file" if said.starts_with('/') && dump::name(&said, SOME_TIME).is_ok() => {
                table.set("dump_file", said.as_str());
            }
            "fallback-mount" => match MountPath::parse(&said) {
                Ok(path) => table.set("fallback", path.as_str()),
                Err(_) => return false,
            },
            "charset" => match Charset::named(&said) {
                Some(_) => table.set("charset", said.as_str()),
                None => return false,
            },
            "mp3-metadata-interval" | "icy-metadata-interval" => match said.parse() {
                Ok(number) if number == 0 || ICY_INTERVAL_BYTES.contains(&number) => {
                    table.set("icy_interval_bytes", i64::from(number));
                }
                _ => return false,
            },
            "allow-url-ogg-metadata" if station::is_true(&said) => table.set("titles", "chained"),
            "http-headers" => {
                if let Some(headers) = self.take_headers("mount/http-headers", node) {
                    table.set("headers", headers);
                }
            }
            // One program without arguments, as it is here with one word.
            "on-connect" if !said.is_empty() => table.set("on_connect", vec![said]),
            "on-disconnect" if !said.is_empty() => table.set("on_disconnect", vec![said]),
            "authentication" => {
                let is_taken = self.take_listener_passwords(table, node);
                if closing::protects(node) && !table.is_locked() {
                    self.close_mount(table, &attributes(node));
                    return true;
                }
                return is_taken;
            }
            _ => return false,
        }
        true
    }

    /// Listeners needed a password there, and nothing says here which.
    fn close_mount(&mut self, table: &mut Table, kind: &str) {
        let path = table.get("path").and_then(toml::Value::as_str);
        let path = path.unwrap_or_default().to_owned();
        let kind = match kind {
            "" => String::new(),
            kind => format!(" ({kind})"),
        };
        let why = match table.get("htpasswd").and_then(toml::Value::as_str) {
            Some(file) => format!("{file} is not there (a chroot?): write where it is."),
            None => format!(
                "<authentication>{kind} asked for a password, and could not be taken over: set \
                 `htpasswd` or\n`listener_auth_url`."
            ),
        };
        table.lock(&why);
        let why = why.replace('\n', " ");
        self.draft
            .warn(format!("nobody may listen to {path}: {why}"));
    }

    /// A file in the folder from which Icecast serves files, if it is there.
    fn in_webroot(&self, node: Node<'_, '_>, name: &str) -> Option<String> {
        let mut all = node.document().descendants();
        let webroot = text(all.find(|node| node.has_tag_name("webroot"))?);
        let file = format!("{webroot}/{}", name.trim_start_matches('/'));
        self.world.is_file(&file).then_some(file)
    }

    /// In 2.4 the kind is an attribute, in 2.5 there are roles inside, of which the first counts that
    /// is about listeners.
    fn take_listener_passwords(&mut self, table: &mut Table, node: Node<'_, '_>) -> bool {
        if node.has_attribute("type") {
            return self.take_passwords_of(table, node);
        }
        let mut is_taken = false;
        for role in node.children().filter(|child| child.has_tag_name("role")) {
            if is_taken || !is_for_listeners(role) || !self.take_passwords_of(table, role) {
                self.remark("mount/authentication/role", &attributes(role));
            } else {
                is_taken = true;
            }
        }
        is_taken
    }

    fn take_passwords_of(&mut self, table: &mut Table, node: Node<'_, '_>) -> bool {
        let kind = node.attribute("type").unwrap_or_default();
        let options = node.children().filter(|child| child.has_tag_name("option"));
        let mut is_taken = false;
        for option in options {
            let value = option.attribute("value").unwrap_or_default();
            let name = option.attribute("name").unwrap_or_default();
            if kind == "url" && station::take_manner(table, name, value) {
                continue;
            }
            let key = match (kind, option.attribute("name").unwrap_or_default()) {
                ("htpasswd", "filename") => "htpasswd",
                ("url", "listener_add" | "client_add") => "listener_auth_url",
                ("url", "stream_auth") => "source_auth_url",
                ("url", "mount_add") => "mount_add_url",
                ("url", "mount_remove") => "mount_remove_url",
                ("url", "listener_remove" | "client_remove") => "listener_remove_url",
                _ => {
                    self.remark("mount/authentication/option", &attributes(option));
                    continue;
                }
            };
            if value.is_empty() {
                continue;
            }
            is_taken = true;
            if key == "htpasswd" && !self.world.is_file(value) {
                table.propose(key, value, "");
            } else if key != "htpasswd" && PostUrl::parse(value).is_err() {
                table.propose(
                    key,
                    value,
                    "It must begin with http:// or https://, without a user.",
                );
            } else {
                table.set(key, value);
            }
        }
        is_taken
    }
}
