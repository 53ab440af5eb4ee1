//! TLS as an operator sets it up and other people's clients meet it: a certificate made with
//! the command of docs/run-a-master.md, and what each client needs to trust it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cluster::write_private;
use crate::tools::run;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/run-a-master.md");

/// Certificate and key in one file.
const IN_ONE: &str = "both.pem";

/// A certificate for `localhost` that vouches for itself, and its key.
#[derive(Debug)]
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes one in `folder`, over one that is there, with the command of the document.
    ///
    /// # Errors
    /// When the document names no command, or openssl is not installed.
    pub fn make(folder: &Path) -> Result<Self> {
        let document = std::fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
        let command = document
            .split("```sh\n")
            .filter_map(|block| block.split("```").next())
            .find(|block| block.starts_with("openssl req "))
            .context("no command that makes a certificate in run-a-master.md")?;
        run(Command::new("bash")
            .args(["-e", "-c", command])
            .current_dir(folder))?;
        let parts = ["fullchain.pem", "privkey.pem"].map(|name| std::fs::read(folder.join(name)));
        let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        write_private(&folder.join(IN_ONE), &String::from_utf8(parts.concat())?)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The file that clients are given to trust.
    pub fn file(&self) -> String {
        self.folder.join("fullchain.pem").display().to_string()
    }

    /// `[tls]` in a program's settings.
    pub fn settings(&self) -> String {
        let key = self.folder.join("privkey.pem");
        format!(
            "\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            self.file(),
            key.display()
        )
    }

    /// The same, from one file that holds both, as Icecast's `<ssl-certificate>`.
    pub fn settings_in_one_file(&self) -> String {
        let both = self.folder.join(IN_ONE);
        let both = both.display();
        format!("\n[tls]\ncertificate = \"{both}\"\nkey = \"{both}\"\n")
    }
}
