//! The languages that the pages speak, and which of them a browser wants. Pure.

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// For whoever wants nothing that there is.
    #[default]
    English,
    /// German.
    German,
}

/// More languages of a header are not looked at.
const LANGUAGES_READ_MAX: usize = 20;

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// Its name in a browser's headers (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language with this tag, such as `de-AT`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.trim().split('-').next().unwrap_or_default();
        let is_it = |language: &Self| language.tag().eq_ignore_ascii_case(first);
        Self::ALL.into_iter().find(is_it)
    }

    /// What an `Accept-Language` header wants most of what there is (RFC 9110 §12.5.4).
    pub fn wanted(header: &str) -> Self {
        let mut best = (Self::default(), 0.0);
        for part in header.split(',').take(LANGUAGES_READ_MAX) {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("0");
            let weight = weight.parse::<f32>().unwrap_or(0.0);
            match Self::of_tag(tag) {
                // Of two that are wanted alike the first counts.
                Some(language) if weight > best.1 => best = (language, weight),
                _ => {}
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_what_it_wants_most() {
        let many = "fr,".repeat(LANGUAGES_READ_MAX) + "de";
        for (wanted, expected) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-GB,en;q=0.9,de;q=0.8", Language::English),
            ("fr,DE;q=0.3,en;q=0.2", Language::German),
            ("fr", Language::English),
            ("de;q=0", Language::English),
            ("de;q=x,,;;=,-", Language::English),
            ("de;q=NaN,en;q=0.1", Language::English),
            (&many, Language::English),
        ] {
            assert_eq!(Language::wanted(wanted), expected, "{wanted}");
        }
    }
}
