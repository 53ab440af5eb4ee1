//! The balancers in the relay's settings: one `[balancer]`, or several `[[balancer]]`.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
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
