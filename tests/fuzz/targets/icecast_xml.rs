//! An icecast.xml, whatever stands in it: what `import` makes of it is a master.toml.

#![no_main]

use libfuzzer_sys::fuzz_target;
use master::import::check;
use master::import::translate::{World, translate};

struct Nowhere;

impl World for Nowhere {
    fn new_password(&mut self) -> Result<String, String> {
        Ok("thought-up-by-a-machine".to_owned())
    }

    fn is_file(&self, _: &str) -> bool {
        false
    }

    fn text_of(&self, file: &str) -> Option<String> {
        // A list of addresses whose lines are anything.
        Some(file.replace(['/', ' '], "\n"))
    }

    fn check(&self, toml: &str) -> Result<(), String> {
        check(toml)
    }
}

fuzz_target!(|xml: &str| {
    let Ok(translated) = translate(xml, &mut Nowhere) else {
        return;
    };
    let toml = &translated.toml;
    check(toml).unwrap_or_else(|complaint| panic!("{complaint}\n{toml}"));
});
