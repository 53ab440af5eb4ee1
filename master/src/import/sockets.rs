//! The addresses that an Icecast listens at. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use roxmltree::Node;
use stream::listen::Listen;
use toml::Value;

use super::translate::{Translation, word};

/// The port of Icecast if none is said.
const PORT: u16 = 8000;

impl Translation<'_> {
    /// One `<listen-socket>`. The port of the first stands in the address of the server.
    pub(super) fn take_socket(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), String> {
        if node.attribute("type") == Some("virtual") {
            let said = word(node, "port").unwrap_or_else(|| PORT.to_string());
            let why = "nobody listens at such a one: what listeners are told is `public_url`";
            self.draft
                .remark("listen-socket type=\"virtual\"", &said, why);
            return Ok(());
        }
        let port = word(node, "port");
        let port_is = port.as_deref().map_or(Some(PORT), |port| port.parse().ok());
        let bind = word(node, "bind-address");
        let address = bind.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
        let address: Option<IpAddr> = match address.as_str() {
            "*" => "0.0.0.0".parse().ok(),
            address => address.parse().ok(),
        };
        let said = format!(
            "{}:{}",
            bind.as_deref().unwrap_or("*"),
            port.as_deref().unwrap_or("8000")
        );
        match (address, port_is) {
            (Some(address), Some(port)) => self.listen_at(SocketAddr::new(address, port), &said),
            // A name. Whatever it means, it is not every address.
            (None, Some(port)) => {
                self.listen_at(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), &said);
                if bind.as_deref() != Some("localhost") {
                    self.draft.warn(format!(
                        "port {port} is open to this machine alone: `listen` wants the address of {} \
                         in digits",
                        bind.unwrap_or_default()
                    ));
                }
            }
            _ => self
                .draft
                .remark("listen-socket", &said, "`listen` wants a port"),
        }
        let rest = node.children().filter(Node::is_element);
        let rest = rest.filter(|child| !matches!(child.tag_name().name(), "port" | "bind-address"));
        for child in rest {
            self.take(child, "listen-socket", depth + 1)?;
        }
        Ok(())
    }

    fn listen_at(&mut self, address: SocketAddr, said: &str) {
        let listen = match &self.listen {
            None => Ok(Listen::from(address)),
            Some(listen) => listen.and(address),
        };
        match listen {
            Ok(listen) => {
                if self.listen.is_none() {
                    self.keep("port", &address.port().to_string());
                }
                self.listen = Some(listen);
            }
            Err(why) => self.draft.remark("listen-socket", said, &why),
        }
    }

    pub(super) fn finish_listen(&mut self) {
        let all = self.listen.iter().flat_map(Listen::all);
        let all: Vec<Value> = all.map(|at| Value::from(at.to_string())).collect();
        match all.as_slice() {
            [] => {}
            [only] => self.draft.top.set("listen", only.clone()),
            _ => self.draft.top.set("listen", all),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::import::translate::tests::{checked, made};

    #[test]
    fn every_address_is_listened_at() {
        let listen = |sockets: &[(&str, &str)]| {
            let socket = |(bind, rest): &(&str, &str)| {
                format!("<listen-socket><bind-address>{bind}</bind-address>{rest}</listen-socket>")
            };
            let toml = made(&sockets.iter().map(socket).collect::<String>()).toml;
            (checked(&toml).listen.to_string(), toml)
        };
        let (port, ssl) = ("<port>8001</port>", "<port>8443</port><ssl>1</ssl>");
        let compat = "<port>8001</port><shoutcast-compat>1</shoutcast-compat>";
        assert_eq!(
            listen(&[("::", ""), ("*", ssl)]).0,
            "[::]:8000, 0.0.0.0:8443"
        );
        assert_eq!(
            listen(&[("192.0.2.1", ""), ("192.0.2.2", "")]).0,
            "192.0.2.1:8000, 192.0.2.2:8000"
        );
        assert_eq!(
            listen(&[("*", ""), ("*", port), ("::", port)]).0,
            "0.0.0.0:8000, [::]:8001"
        );
        assert_eq!(
            listen(&[("*", ""), ("*", compat)]).0,
            "0.0.0.0:8000, 0.0.0.0:8001"
        );
        let (both, toml) = listen(&[("radio.example", port), ("0.0.0.0", "")]);
        assert_eq!(both, "127.0.0.1:8001, 0.0.0.0:8000");
        assert!(
            toml.contains("`listen` wants the address of radio.example"),
            "{toml}"
        );
        let (one, toml) = listen(&[("localhost", port)]);
        assert_eq!(one, "127.0.0.1:8001");
        assert!(!toml.contains("LOOK AT THIS"), "{toml}");
        let odd = made("<listen-socket><port>x</port></listen-socket>").toml;
        assert!(
            odd.contains("# <listen-socket> (*:x): `listen` wants a port"),
            "{odd}"
        );
        let real = "<listen-socket><port>8001</port></listen-socket>";
        let toml = made(&format!(
            "<listen-socket type='virtual'><port>80</port></listen-socket>{real}"
        ));
        assert_eq!(checked(&toml.toml).listen.to_string(), "0.0.0.0:8001");
        assert!(
            toml.toml.contains("(80): nobody listens at such a one"),
            "{}",
            toml.toml
        );
        let ports = (1..=9)
            .map(|port| format!("<port>{port}</port>"))
            .collect::<Vec<_>>();
        let many: Vec<_> = ports.iter().map(|port| ("*", port.as_str())).collect();
        let (listen, toml) = listen(&many);
        assert!(
            listen.ends_with("0.0.0.0:8") && toml.contains("(*:9): `listen` names 9"),
            "{toml}"
        );
    }
}
