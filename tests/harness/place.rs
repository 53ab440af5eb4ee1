//! A program in a network namespace of its own, where it has everybody's port to itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cluster::{START_MAX, write_private};
use crate::ear::Ear;
use crate::http::{Address, get};
use crate::netns::Namespace;
use crate::programs::{Program, find};
use crate::wait::eventually;

/// The port of everybody.
pub const PORT: u16 = 8000;

/// A program and where it runs.
#[derive(Debug)]
pub struct Place {
    /// The program.
    pub program: Program,
    /// Its network.
    pub space: Namespace,
}

impl Place {
    /// One of Plenum's programs, with this text as its settings, not started yet.
    ///
    /// # Errors
    /// When it has not been built or the folder cannot be written.
    pub fn new(
        role: &str,
        name: &str,
        space: Namespace,
        text: &str,
        folder: &Path,
    ) -> Result<Self> {
        let config: PathBuf = folder.join(format!("{name}.toml"));
        write_private(&config, text)?;
        let program = Program::new(name, find(&format!("plenum-{role}"))?, folder);
        let config = config.display().to_string();
        let program = space.program(program).arguments(["--config", &config]);
        Ok(Self { program, space })
    }

    /// Its address, for all others.
    pub fn url(&self) -> String {
        url(&self.space)
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_server(&mut self) -> Result<()> {
        self.program.start()?;
        let address = Address::parse(&own_url())?;
        let what = format!("{} answers", self.program.name());
        self.space
            .inside(|| eventually(START_MAX, &what, || address.connect().map(drop)))
            .with_context(|| self.program.story())
    }

    /// Somebody who listens beside the server, without any line between.
    ///
    /// # Errors
    /// When nothing plays there in time.
    pub fn eventually_heard(
        &self,
        mount: &str,
        listen: impl Fn(&str) -> Result<Ear> + Sync,
    ) -> Result<Ear> {
        let url = format!("{}{mount}", own_url());
        let what = format!("{} plays", self.program.name());
        self.space
            .inside(|| eventually(START_MAX, &what, || listen(&url)))
    }

    /// What it answers to this path, asked from where it runs.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn page(&self, path: &str) -> Result<String> {
        let answer = self.space.inside(|| get(&format!("{}{path}", own_url())))?;
        Ok(answer.text())
    }

    /// The figures of `/metrics`, summed over mounts.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn figures(&self) -> Result<HashMap<String, f64>> {
        let mut figures = HashMap::new();
        for line in self.page("/metrics")?.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let name = name.trim_start_matches("plenum_");
            let name = name.split("{mount=").next().unwrap_or(name);
            if let Ok(value) = value.parse::<f64>() {
                *figures.entry(name.to_owned()).or_default() += value;
            }
        }
        Ok(figures)
    }

    /// One of them; 0 if it is not there.
    ///
    /// # Errors
    /// When the program does not answer.
    pub fn figure(&self, name: &str) -> Result<f64> {
        Ok(self.figures()?.get(name).copied().unwrap_or_default())
    }
}

/// The address of whoever is there.
pub fn url(space: &Namespace) -> String {
    format!("http://{}:{PORT}", space.address())
}

/// The address of a server in its own namespace.
pub fn own_url() -> String {
    format!("http://127.0.0.1:{PORT}")
}
