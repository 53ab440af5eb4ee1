//! What is said about the stream to those who take it.

/// What the server is told about the stream (`Ice-…` headers). Empty: not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the station.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Such as `speech`.
    pub genre: String,
    /// The station's own page.
    pub website: String,
    /// Whether directories may list it.
    pub is_public: bool,
}
