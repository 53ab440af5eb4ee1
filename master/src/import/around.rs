//! What of an icecast.xml is about the server's surroundings: the directory that it is listed in, and
//! the addresses that may connect. Pure.

use ipnet::{IpNet, Ipv4Net};
use stream::post::PostUrl;
use stream::secret::Secret;

use super::translate::Translation;

/// More addresses are not taken: [access] takes no more.
const ADDRESSES_MAX: usize = 4096;
/// Lines that could not be used are named up to so many.
const NAMED_MAX: usize = 10;

impl Translation<'_> {
    /// One directory is told: the first.
    pub(super) fn take_directory(&mut self, tag: &str, said: &str) {
        match PostUrl::parse(said) {
            Ok(_) if self.draft.directory.get("url").is_none() => {
                self.draft.directory.set("url", said);
            }
            Ok(_) => self
                .draft
                .remark(tag, said, "one directory is told: the first"),
            Err(why) => self
                .draft
                .remark(tag, said, &format!("`url` of [directory] {why}")),
        }
    }

    /// One for all mounts: the first.
    pub(super) fn take_cluster_password(&mut self, tag: &str, said: &str) {
        let before = self.words.get("cluster-password");
        if Secret::new(said).is_err() || before.is_some_and(|before| before != said) {
            return self.remark(tag, said);
        }
        self.keep("cluster-password", said);
    }

    /// Icecast's host name stands in its playlists; "localhost" is one that nobody chose.
    pub(super) fn finish_address(&mut self) {
        let Some(host) = self
            .words
            .get("hostname")
            .filter(|host| *host != "localhost")
        else {
            return;
        };
        let port = self.words.get("port").map_or("8000", String::as_str);
        let url = format!("http://{host}:{port}");
        match stream::config::check_base_url("public_url", &url) {
            Ok(()) => self.draft.top.set("public_url", url),
            Err(why) => self.draft.remark("hostname", host, &why.to_string()),
        }
    }

    /// Nobody can be listed under an address that is not known.
    pub(super) fn finish_directory(&mut self) {
        let url = self.draft.directory.get("url").cloned();
        let is_listed = url.is_some() && self.draft.top.get("public_url").is_some();
        match self.words.get("cluster-password").cloned() {
            Some(password) if is_listed => {
                self.draft.directory.set("cluster_password", password);
            }
            Some(_) => self.remark("mount/cluster-password", ""),
            None => {}
        }
        if let Some(url) = url.filter(|_| !is_listed) {
            let why = "It needs `public_url` at the top of the file: <hostname> did not say it.";
            self.draft.directory.propose("url", url, why);
        }
    }

    /// A file with an address in each line.
    pub(super) fn take_addresses(&mut self, tag: &str, key: &'static str, file: &str) {
        let Some(text) = self.world.text_of(file) else {
            let why =
                format!("the file cannot be read: put what is in it into `{key}` of [access]");
            self.close_access(tag, file, "cannot be read");
            return self.draft.remark(tag, file, &why);
        };
        let mut networks: Vec<String> = match self.draft.access.get(key) {
            Some(toml::Value::Array(there)) => {
                let there = there.iter().filter_map(toml::Value::as_str);
                there.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let mut n_odd = 0;
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match network(line) {
                Some(network) if networks.len() < ADDRESSES_MAX => networks.push(network),
                _ => {
                    n_odd += 1;
                    if n_odd <= NAMED_MAX {
                        let why = format!("put it into `{key}` of [access] as a network");
                        self.draft.remark(tag, line, &why);
                    }
                }
            }
        }
        if n_odd > 0 && key == "deny" {
            self.draft.warn(format!(
                "{n_odd} lines of {file} are no networks, and keep nobody out: see <{tag}> at the end"
            ));
        }
        if n_odd > NAMED_MAX {
            let why = format!("so many lines of {file} could not be used: look at it");
            self.draft.remark(tag, &n_odd.to_string(), &why);
        }
        if !networks.is_empty() {
            self.draft.access.set(key, networks);
        } else if key == "allow" {
            // A list of nobody lets nobody in there; an empty one here everybody.
            self.close_access(tag, file, "names no network");
        }
    }
}

/// An address, a network, or one in the way of KH: `192.0.2.*`.
fn network(line: &str) -> Option<String> {
    if let Ok(address) = line.parse::<std::net::IpAddr>() {
        return Some(address.to_string());
    }
    if let Ok(network) = line.parse::<IpNet>() {
        return Some(network.to_string());
    }
    let parts: Vec<&str> = line.split('.').collect();
    let n_known = parts.iter().take_while(|part| **part != "*").count();
    let rest = parts.iter().skip(n_known);
    if parts.len() != 4 || n_known == 0 || !rest.clone().all(|part| *part == "*") {
        return None;
    }
    let text = line.replace('*', "0");
    let bits = u8::try_from(n_known * 8).ok()?;
    let network = Ipv4Net::new(text.parse().ok()?, bits).ok()?;
    Some(network.to_string())
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn addresses_and_wildcards_become_networks() {
        for (line, found) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.*", Some("192.0.2.0/24")),
            ("10.*.*.*", Some("10.0.0.0/8")),
            ("192.*.2.7", None),
            ("*.*.*.*", None),
            ("192.0.2.[1-9]", None),
            ("bad.example", None),
        ] {
            assert_eq!(network(line).as_deref(), found, "{line}");
        }
    }
}
