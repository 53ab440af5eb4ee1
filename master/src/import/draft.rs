//! Settings that are being written: keys with values, and comments, in the order of the shipped file.
//! Pure.

use toml::Value;

/// One line `key = value`, and what is to be said above it.
#[derive(Debug)]
struct Line {
    key: &'static str,
    value: Value,
    /// Above the line, without `#`; empty is nothing.
    why: String,
    /// Does not take effect as it is.
    is_off: bool,
}

/// A table of settings.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Adds a key. The last word on a key counts, as with Icecast.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.set_because(key, value, String::new());
    }

    /// Adds a key and says something above it.
    pub(super) fn set_because(
        &mut self,
        key: &'static str,
        value: impl Into<Value>,
        why: impl Into<String>,
    ) {
        self.lines.retain(|line| line.key != key);
        self.lines.push(Line {
            key,
            value: value.into(),
            why: why.into(),
            is_off: false,
        });
    }

    /// Adds a key that is commented out, and says why.
    pub(super) fn propose(&mut self, key: &'static str, value: impl Into<Value>, why: &str) {
        self.set_because(key, value, why);
        if let Some(line) = self.lines.last_mut() {
            line.is_off = true;
        }
    }

    /// What a key has.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let line = self.lines.iter().find(|line| line.key == key);
        line.map(|line| &line.value)
    }

    /// Whether a key takes effect.
    pub(super) fn has(&self, key: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.key == key && !line.is_off)
    }

    /// The key of a line.
    pub(super) fn key(&self, at: usize) -> &'static str {
        self.lines.get(at).map_or("", |line| line.key)
    }

    /// Switches a line off, or on again. Returns what it was.
    pub(super) fn set_off(&mut self, at: usize, is_off: bool) -> bool {
        let line = self.lines.get_mut(at);
        line.is_some_and(|line| std::mem::replace(&mut line.is_off, is_off))
    }

    /// Says something more above a line.
    pub(super) fn say(&mut self, at: usize, why: &str) {
        if let Some(line) = self.lines.get_mut(at) {
            line.why = [line.why.as_str(), why].join("\n").trim().to_owned();
        }
    }

    /// All of it, and leaves nothing.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// How many keys it has.
    pub(super) fn n_lines(&self) -> usize {
        self.lines.len()
    }

    fn write(&self, head: &str, text: &mut String) {
        if self.lines.is_empty() {
            return;
        }
        if !head.is_empty() {
            let is_off = self.lines.iter().all(|line| line.is_off);
            text.push_str(if is_off { "\n# " } else { "\n" });
            text.push_str(head);
            text.push('\n');
        }
        for line in &self.lines {
            comment(&line.why, text);
            if line.is_off {
                text.push_str("# ");
            }
            text.push_str(&format!("{} = {}\n", line.key, line.value));
        }
    }
}

/// All settings.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) top: Table,
    pub(super) slots: Table,
    pub(super) tls: Table,
    pub(super) access: Table,
    pub(super) mounts: Vec<Table>,
    pub(super) aliases: Vec<Table>,
    pub(super) sources: Vec<Table>,
    pub(super) shoutcast: Table,
    pub(super) directory: Table,
    pub(super) relay: Table,
    pub(super) admin: Table,
    remarks: Vec<String>,
    /// What is to be looked at before anything else.
    pub(super) warnings: Vec<String>,
}

impl Draft {
    /// Something that is not as it was, and matters.
    pub(super) fn warn(&mut self, what: String) {
        self.warnings.push(what);
    }

    /// Something that has no key: which tag, what it said, and what to do instead.
    pub(super) fn remark(&mut self, tag: &str, said: &str, instead: &str) {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(" ({said:.80})")
        };
        self.remarks.push(format!("<{tag}>{said}: {instead}"));
    }

    /// How many keys have a value, and how many tags are only spoken of.
    pub(super) fn counts(&self) -> (usize, usize) {
        let n_keys = self.tables().map(|(_, table)| table.lines.len()).sum();
        (n_keys, self.remarks.len())
    }

    /// Tables of which there may be several. Sources come first: without one there are no settings.
    pub(super) fn several(&mut self) -> impl Iterator<Item = &mut Table> {
        let mounts = self.mounts.iter_mut().chain(&mut self.aliases);
        self.sources.iter_mut().chain(mounts)
    }

    fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        let one = [
            ("", &self.top),
            ("[slots]", &self.slots),
            ("[tls]", &self.tls),
            ("[access]", &self.access),
        ];
        let mounts = self.mounts.iter().map(|table| ("[[mount]]", table));
        let aliases = self.aliases.iter().map(|table| ("[[alias]]", table));
        let sources = self.sources.iter().map(|table| ("[[source]]", table));
        let last = [
            ("[shoutcast]", &self.shoutcast),
            ("[directory]", &self.directory),
            ("[relay]", &self.relay),
            ("[admin]", &self.admin),
        ];
        let several = mounts.chain(aliases).chain(sources);
        one.into_iter().chain(several).chain(last)
    }

    /// As a settings file.
    pub(super) fn write(&self) -> String {
        let mut text = "# Made by `plenum-master import` from an icecast.xml. What each key means \
                        stands in the master.toml\n# that comes with the program. This file holds \
                        passwords: keep it from others (chmod 600).\n\n"
            .to_owned();
        if !self.warnings.is_empty() {
            text.push_str("# LOOK AT THIS FIRST:\n");
            for warning in &self.warnings {
                comment(warning, &mut text);
            }
            text.push('\n');
        }
        for (head, table) in self.tables() {
            table.write(head, &mut text);
        }
        if !self.remarks.is_empty() {
            text.push_str("\n# What has no key here, and what to do instead:\n");
            for remark in &self.remarks {
                comment(remark, &mut text);
            }
        }
        text
    }
}

/// Each line of it begins with `#`. Nothing in it can end the comment.
fn comment(text: &str, whole: &mut String) {
    for line in text.lines() {
        let line: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        whole.push_str(&format!("# {line}\n"));
    }
}
