//! The balancers in the relay's settings: one `[balancer]`, or several `[[balancer]]`.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use stream::config::{ConfigError, check_base_url};
use stream::outward::Server;
use stream::secret::Secret;

/// More balancers than this are refused: each gets a report a second, and a part of the slots.
pub const BALANCERS_MAX: usize = 8;

/// A balancer that sends listeners here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerConfig {
    /// Its address, without path.
    pub url: String,
    /// The token that its operator gave out for this relay.
    pub token: Secret,
    /// Its address for listeners who are sent back to it, if they are to use another one.
    pub listener_url: Option<String>,
    /// Certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

impl BalancerConfig {
    /// Where it is, and who vouches for it.
    pub(crate) fn server(&self) -> Server<'_> {
        Server {
            url: &self.url,
            ca_file: self.ca_file.as_deref(),
        }
    }

    /// Where listeners are sent back to.
    pub(crate) fn for_listeners(&self) -> &str {
        self.listener_url.as_deref().unwrap_or(&self.url)
    }

    /// Refuses what cannot work for a relay whose listeners use `public_url`.
    pub(crate) fn check(&self, public_url: Option<&str>) -> Result<(), ConfigError> {
        self.server().check("[balancer]", "url")?;
        if let Some(url) = &self.listener_url {
            return check_base_url("[balancer] listener_url", url);
        }
        let is_plain = public_url.is_some_and(|url| url.starts_with("http://"));
        if is_plain && self.server().is_tls() {
            return Err(ConfigError::new(
                "`[balancer] url` begins with https, but `public_url` with http: who is sent back \
                 by https may not come here again. Say in `[balancer] listener_url` at which http \
                 address listeners reach the balancer, or give this relay a certificate and \
                 `public_url` https"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Reads one table, or several.
pub(crate) fn one_or_more<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<BalancerConfig>, D::Error> {
    from.deserialize_any(OneOrMore)
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Vec<BalancerConfig>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a [balancer] or several [[balancer]]")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let one = BalancerConfig::deserialize(MapAccessDeserializer::new(map))?;
        Ok(vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn urls(text: &str) -> Result<Vec<String>, String> {
        let none = std::iter::empty();
        let config: Config = stream::config::parse(text, "relay.toml", "PLENUM_RELAY", none)
            .map_err(|error| error.to_string())?;
        Ok(config.balancer.into_iter().map(|b| b.url).collect())
    }

    #[test]
    fn one_and_several_are_understood_and_a_wrong_key_is_named() {
        let one = "[balancer]\nurl = \"http://a\"\ntoken = \"long enough\"\n";
        assert_eq!(urls(one).unwrap(), ["http://a"]);
        let two = one.replace("[balancer]", "[[balancer]]");
        let two = two.clone() + &two.replace("//a", "//b");
        assert_eq!(urls(&two).unwrap(), ["http://a", "http://b"]);
        for wrong in [one.replace("url", "ulr"), two.replace("url", "ulr")] {
            let complaint = urls(&wrong).unwrap_err();
            assert!(complaint.contains("ulr"), "{complaint}");
        }
        assert!(urls("balancer = 1").is_err());
    }
}
