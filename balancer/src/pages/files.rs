//! The files of the public page: scripts, styles and pictures, all inside the program. Pure.
//!
//! Their address holds a name for the state they are in, so browsers may keep them for ever.

use std::sync::LazyLock;

/// One file.
#[derive(Debug)]
pub struct WebFile {
    /// Its name in the address.
    pub name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// All of it.
    pub text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal: $content_type:expr),+ $(,)?) => {
        [$(WebFile {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("web/", $name)),
        }),+]
    };
}

/// All of them.
pub(super) const FILES: &[WebFile] = &files![
    "page.mjs": SCRIPT,
    "player.mjs": SCRIPT,
    "titles.mjs": SCRIPT,
    "pull.mjs": SCRIPT,
    "remux.mjs": SCRIPT,
    "webm.mjs": SCRIPT,
    "codec.mjs": SCRIPT,
    "ogg.mjs": SCRIPT,
    "page.css": "text/css; charset=utf-8",
    "world.svg": PICTURE,
    "icon.svg": PICTURE,
];

/// The folder in which they stand. It changes when any of them does.
pub static FOLDER: LazyLock<String> = LazyLock::new(|| format!("/static/{}/", *STATE));

/// Names the state of all files, for addresses and `ETag`.
pub static STATE: LazyLock<String> = LazyLock::new(|| {
    // FNV-1a: nobody gains anything by two states with one name.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in FILES.iter().flat_map(|file| file.text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
});

/// The file of this name.
pub fn find(name: &str) -> Option<&'static WebFile> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_load_nothing_that_is_not_here() {
        for file in FILES.iter().filter(|file| file.content_type == SCRIPT) {
            let imports = file.text.lines().filter(|line| line.starts_with("import "));
            for line in imports {
                let (_, name) = line.split_once("\"./").unwrap();
                assert!(find(name.trim_end_matches("\";")).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn nothing_on_the_page_comes_from_elsewhere() {
        for file in FILES {
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            for word in ["http://", "https://", "@import", "//cdn"] {
                assert!(!text.contains(word), "{} has {word}", file.name);
            }
        }
    }
}
