//! The keys of a program's settings as they were read, to say what a later reading has changed:
//! by their names, never by their values. Pure.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

/// Of entries of a list, such as `[[mount]]`, the first of these keys is the name.
const NAMES: [&str; 3] = ["path", "user", "name"];

/// All keys with their values. Shows none of them.
#[derive(Clone, Default, PartialEq)]
pub struct Keys(Table);

/// What a later reading says differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Keys that hold from now on.
    pub changed: Vec<String>,
    /// Keys that only a program which begins anew looks at.
    pub waiting: Vec<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// As they stand in a table.
    pub fn new(table: Table) -> Self {
        Self(table)
    }

    /// What `self`, which is newer, says differently. Of the sections and keys `fixed` the older
    /// reading holds on: they are put back.
    pub fn put_back(&mut self, before: &Self, fixed: &[&str]) -> Differences {
        let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
        flatten("", &Value::Table(before.0.clone()), &mut old);
        flatten("", &Value::Table(self.0.clone()), &mut new);
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| old.get(*name) != new.get(*name));
        let is_fixed = |name: &&String| {
            let top = name.split(['.', '[']).next().unwrap_or_default();
            fixed.contains(&top)
        };
        let (waiting, changed): (Vec<_>, Vec<_>) = names.into_iter().partition(is_fixed);
        let differences = Differences {
            changed: changed.into_iter().cloned().collect(),
            waiting: waiting.into_iter().cloned().collect(),
        };
        for key in fixed {
            match before.0.get(*key) {
                Some(value) => self.0.insert((*key).to_owned(), value.clone()),
                None => self.0.remove(*key),
            };
        }
        differences
    }
}

/// `burst_seconds`, `access.deny`, `mount[/live.ogg].hidden`; without a name `source[0].password`, as
/// variables of the environment count.
fn flatten(name: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{key}"), value, out);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            let mut n_of: BTreeMap<String, usize> = BTreeMap::new();
            for (at, entry) in list.iter().enumerate() {
                let named = NAMES.iter().find_map(|key| entry.get(key)?.as_str());
                let named = named.map_or_else(|| at.to_string(), str::to_owned);
                let n = n_of.entry(named.clone()).or_default();
                *n += 1;
                let named = match n {
                    1 => named,
                    n => format!("{named} #{n}"),
                };
                // That it is there is said even if it holds nothing.
                out.insert(format!("{name}[{named}]"), Value::Boolean(true));
                flatten(&format!("{name}[{named}]"), entry, out);
            }
        }
        value => {
            out.insert(name.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::new(toml::from_str(text).unwrap())
    }

    #[test]
    fn what_has_changed_is_named_and_no_value_is_shown() {
        let before = "listen = \"a\"\nburst_seconds = 1.0\n[relay]\npassword = \"old secret\"\n\
                      [[mount]]\npath = \"/a\"\nhidden = true\n[[source]]\npassword = \"x\"\n";
        let after = "listen = \"b\"\nburst_seconds = 1.0\n[relay]\npassword = \"new secret\"\n\
                     [[mount]]\npath = \"/a\"\n[[mount]]\npath = \"/b\"\n[[source]]\n\
                     password = \"y\"\n[access]\ndeny = [\"10.0.0.1\"]\n";
        let (before, mut after) = (keys(before), keys(after));
        let found = after.put_back(&before, &["listen"]);
        assert_eq!(
            found.changed,
            [
                "access.deny",
                "mount[/a].hidden",
                "mount[/b]",
                "mount[/b].path",
                "relay.password",
                "source[0].password"
            ]
        );
        assert_eq!(found.waiting, ["listen"]);
        assert!(!format!("{after:?}").contains("secret"));
        // What waits is named again at the next reading, what holds is not.
        let mut again = keys("listen = \"b\"\n[[source]]\npassword = \"y\"");
        let found = again.put_back(&after, &["listen"]);
        assert_eq!(found.waiting, ["listen"]);
        assert!(found.changed.contains(&"mount[/a]".to_owned()));
    }
}
