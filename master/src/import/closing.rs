//! What asked for a password at an Icecast, or kept addresses out, does so here, or lets nobody in:
//! also where its key cannot be taken over. Pure.

use roxmltree::Node;

use super::draft::{Draft, Table};
use super::translate::Translation;

/// Keys by which listeners are looked at.
const LOCKS: [&str; 2] = ["htpasswd", "listener_auth_url"];
/// A file of passwords in which nobody is.
const NOBODY: &str = "/dev/null";
/// Who may connect while it is not known who may not.
const OURSELVES: [&str; 2] = ["127.0.0.0/8", "::1"];
/// What options are called that name somebody who is asked about listeners.
const ASKED: [&str; 2] = ["listener_add", "client_add"];

/// What is closed that is not one mount.
#[derive(Debug, Default)]
pub(super) struct Closing {
    /// Mounts that the file names.
    pub(super) named: Vec<String>,
    /// The tag by which mounts were protected that the file does not name.
    pub(super) unnamed_by: Option<&'static str>,
    /// The tag by which all of them were.
    pub(super) all_by: Option<&'static str>,
    /// Files of addresses that could not be read, and why.
    unread: Vec<String>,
}

/// Whether `<authentication>` keeps listeners out who show no password.
pub(super) fn protects(authentication: Node<'_, '_>) -> bool {
    if authentication.has_attribute("type") {
        return is_closed(authentication);
    }
    let roles = authentication.children();
    let mut roles = roles.filter(|node| node.has_tag_name("role") && is_for_listeners(*node));
    // Who is not known to one role is tried with the next.
    let is_there = roles.clone().next().is_some();
    is_there && roles.all(is_closed)
}

fn is_closed(node: Node<'_, '_>) -> bool {
    match node.attribute("type").unwrap_or_default() {
        "anonymous" => node.attributes().any(|attribute| match attribute.name() {
            "deny-all" | "deny-web" => true,
            "deny-method" => names_get(attribute.value()),
            _ => false,
        }),
        "url" => node.children().any(|option| {
            let name = option.attribute("name").unwrap_or_default();
            ASKED.contains(&name) && option.attribute("value").is_some_and(|to| !to.is_empty())
        }),
        _ => true,
    }
}

/// Whether a role is about those who listen.
pub(super) fn is_for_listeners(role: Node<'_, '_>) -> bool {
    let methods = ["method", "match-method"];
    let methods = methods.iter().find_map(|name| role.attribute(*name));
    methods.is_none_or(names_get)
}

fn names_get(methods: &str) -> bool {
    let mut methods = methods.split(',').map(str::trim);
    methods.any(|method| method.eq_ignore_ascii_case("get") || method == "*")
}

impl Table {
    /// Whether listeners are looked at.
    pub(super) fn is_locked(&self) -> bool {
        LOCKS.iter().any(|key| self.has(key))
    }

    /// Lets no listener in until somebody looks at it.
    pub(super) fn lock(&mut self, why: &str) {
        let why = format!("NOBODY MAY LISTEN HERE until you change this line: {why}");
        self.set_because("htpasswd", NOBODY, why);
    }

    fn path(&self) -> Option<&str> {
        self.get("path")?.as_str()
    }
}

impl Draft {
    /// Lets nobody listen to a mount that was protected and is not.
    pub(super) fn close(&mut self, path: &str, why: &str) {
        let mut mounts = self.mounts.iter();
        let at = mounts.position(|mount| mount.has("path") && mount.path() == Some(path));
        let at = at.unwrap_or_else(|| {
            let mut table = Table::default();
            table.set("path", path);
            self.mounts.push(table);
            self.mounts.len() - 1
        });
        if !self.mounts[at].is_locked() {
            self.mounts[at].lock(why);
            self.warn(format!("nobody may listen to {path}: {why}"));
        }
    }

    /// The line of a mount was commented out: it may have been what protected it.
    pub(super) fn close_without(&mut self, at: usize, key: &str, why: &str) {
        let Some(table) = self.several().nth(at) else {
            return;
        };
        if let Some(path) = table.path().map(str::to_owned)
            && LOCKS.contains(&key)
            && !table.is_locked()
        {
            table.lock(why);
            self.warn(format!("nobody may listen to {path}: {why}"));
        }
    }

    /// Of mounts that are commented out as a whole nothing holds, not even that they are protected.
    pub(super) fn close_what_is_left_out(&mut self) {
        let was_locked = |mount: &&Table| LOCKS.iter().any(|key| mount.get(key).is_some());
        let mounts = self.mounts.iter().filter(|mount| !mount.has("path"));
        let lost = mounts.filter(was_locked).filter_map(Table::path);
        let lost: Vec<String> = lost.map(str::to_owned).collect();
        for path in lost {
            let why = "one of its <mount> asked for a password, and is commented out below";
            self.close(&path, why);
        }
    }
}

impl Translation<'_> {
    /// Nobody but ourselves: who may not connect is not known.
    pub(super) fn close_access(&mut self, tag: &str, file: &str, why: &str) {
        self.closing.unread.push(format!("<{tag}> {file} {why}"));
    }

    /// Closes what the whole file says should be.
    pub(super) fn finish_closing(&mut self) {
        self.finish_access();
        let Some(tag) = self.closing.all_by.or(self.closing.unnamed_by) else {
            return;
        };
        let named = self.closing.named.clone();
        if self.closing.all_by.is_some() {
            let why = format!("{tag} asked for a password; set `htpasswd` or `listener_auth_url`");
            for path in &named {
                self.draft.close(path, &why);
            }
        }
        let why = format!(
            "Mounts without a <mount> asked for a password ({tag}), for which there is no key: \
             sources may\nnot publish them. Add a [[mount]] with `htpasswd` or \
             `listener_auth_url` for each, and its path here."
        );
        for login in &mut self.draft.sources {
            let mounts = login.get("mounts").and_then(toml::Value::as_array);
            let is_any = |mount: &toml::Value| mount.as_str() == Some("/*");
            if mounts.is_none_or(|mounts| mounts.iter().any(is_any)) {
                login.set_because("mounts", named.clone(), why.clone());
            }
        }
        self.draft.warn(format!(
            "sources may publish no mount that has no <mount> of its own: {tag} protected them, and \
             there is no key for all of them"
        ));
    }

    fn finish_access(&mut self) {
        let unread = self.closing.unread.join(", ");
        if unread.is_empty() {
            return;
        }
        let before = self.draft.access.get("allow");
        let before = before.map(|allow| format!("\nallow = {allow}"));
        let why = format!(
            "NOBODY ELSE MAY CONNECT until you change this line: {unread}; put what \
             is in it into\n`deny` or `allow`, or take this line away.{}",
            before.unwrap_or_default()
        );
        let ourselves = OURSELVES.map(toml::Value::from).to_vec();
        self.draft.access.set_because("allow", ourselves, why);
        self.draft.warn(format!(
            "nobody may connect but from this machine: {unread}"
        ));
    }
}

#[cfg(test)]
mod tests;
