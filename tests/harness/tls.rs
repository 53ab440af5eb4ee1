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
        Self::make_with(&command("-subj /CN=localhost")?, folder)
    }

    /// Makes one for this address of IPv4.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn make_for(address: &str, folder: &Path) -> Result<Self> {
        let command = command("-subj /CN=localhost")?;
        let command = command.replace("IP:127.0.0.1", &format!("IP:{address}"));
        Self::make_with(&command, folder)
    }

    /// Makes one for which a CA of the operator's own vouches, and that CA: [`Self::ca_file`].
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn make_vouched(folder: &Path) -> Result<Self> {
        let command = command("-CA ca.pem")?.replace("master.example.org", "localhost");
        Self::make_with(&command, folder)
    }

    fn make_with(command: &str, folder: &Path) -> Result<Self> {
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

    /// The file of its key.
    pub fn key(&self) -> String {
        self.folder.join("privkey.pem").display().to_string()
    }

    /// The file of the CA that vouches for it, if one does.
    pub fn ca_file(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// `[tls]` in a program's settings.
    pub fn settings(&self) -> String {
        let (certificate, key) = (self.file(), self.key());
        format!("\n[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    }

    /// The same, from one file that holds both, as Icecast's `<ssl-certificate>`.
    pub fn settings_in_one_file(&self) -> String {
        let both = self.folder.join(IN_ONE);
        let both = both.display();
        format!("\n[tls]\ncertificate = \"{both}\"\nkey = \"{both}\"\n")
    }
}

/// The commands of the document among which these words are.
fn command(words: &str) -> Result<String> {
    let document = std::fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    document
        .split("```sh\n")
        .filter_map(|block| block.split("```").next())
        .find(|block| block.starts_with("openssl req ") && block.contains(words))
        .map(str::to_owned)
        .with_context(|| format!("no command with {words} in run-a-master.md"))
}
