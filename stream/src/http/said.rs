//! What an operator says of a station in the place of its source: name, description, genre, web
//! page, bit rate, and whether it is listed. Pure.

use super::serving::MountSettings;
use crate::mount::{Facts, clean};

impl MountSettings {
    /// What the source says, with the operator's words in the place of its own.
    #[must_use]
    pub fn said(&self, source: Facts) -> Facts {
        let own = |word: &Option<String>| word.as_deref().map(clean);
        Facts {
            name: own(&self.name).or(source.name),
            description: own(&self.description).or(source.description),
            genre: own(&self.genre).or(source.genre),
            website: own(&self.website).or(source.website),
            bitrate: self
                .bitrate_kilobits
                .map(|number| number.to_string())
                .or(source.bitrate),
            is_public: self.public.unwrap_or(source.is_public),
            ..source
        }
    }

    /// Whether anything is said in the place of the source.
    pub fn says_something(&self) -> bool {
        let words = [&self.name, &self.description, &self.genre, &self.website];
        words.iter().any(|word| word.is_some())
            || self.bitrate_kilobits.is_some()
            || self.public.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_words_stand_in_the_place_of_the_sources() {
        let source = Facts {
            name: Some("encoder 3".to_owned()),
            genre: Some("talk".to_owned()),
            bitrate: Some("96".to_owned()),
            is_public: true,
            ..Facts::default()
        };
        let silent: MountSettings = toml::from_str("path = \"/a\"").unwrap();
        assert!(!silent.says_something());
        assert_eq!(silent.said(source.clone()), source);
        let text = "path = \"/a\"\nname = \"Rad\\u0007io\"\nbitrate_kilobits = 128\npublic = false";
        let settings: MountSettings = toml::from_str(text).unwrap();
        assert!(settings.says_something());
        for word in ["name", "description", "genre", "website"] {
            let text = format!("path = \"/a\"\n{word} = \"own\"");
            let settings: MountSettings = toml::from_str(&text).unwrap();
            assert!(settings.says_something(), "{word}");
            let said = settings.said(source.clone());
            let words = [said.name, said.description, said.genre, said.website];
            let own = Some("own".to_owned());
            assert_eq!(
                words.iter().filter(|word| **word == own).count(),
                1,
                "{word}"
            );
        }
        let said = settings.said(source);
        assert_eq!(said.name.as_deref(), Some("Radio"));
        assert_eq!(said.genre.as_deref(), Some("talk"));
        assert_eq!(said.bitrate.as_deref(), Some("128"));
        assert!(!said.is_public);
    }
}
