//! Mistakes in each program's configuration: exit code 2, the place and the remedy.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::cluster::write_private;
use tests::configs::{self, Ports, Secrets};
use tests::programs::find;
use tests::tools::finish;

const CHECK_MAX: Duration = Duration::from_secs(10);
const ROLES: [&str; 4] = ["source", "master", "relay", "balancer"];
const PASSWORD: &str = "a-password-of-the-tests";

/// A good configuration for each role.
fn good(role: &str) -> String {
    let ports = Ports {
        balancer: 8000,
        master: 8010,
        relays: vec![8011],
    };
    let secrets = Secrets {
        source: PASSWORD.to_owned(),
        relay: PASSWORD.to_owned(),
        admin: PASSWORD.to_owned(),
        tokens: vec![PASSWORD.to_owned()],
    };
    match role {
        "source" => configs::source("http://127.0.0.1:8010/live.ogg", PASSWORD, Path::new("")),
        "master" => configs::master(&ports, &secrets),
        "relay" => configs::relay(0, &ports, &secrets),
        _ => configs::balancer(&ports, &secrets),
    }
}

fn run(role: &str, config: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(find(&format!("plenum-{role}"))?);
    command.arg("--config").arg(config).args(arguments);
    if role == "source" {
        command.arg("tone");
    }
    finish(&mut command, CHECK_MAX)
}

/// The program refuses this configuration with exit code 2 and says `words`.
fn refuses(role: &str, text: &str, words: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join(format!("{role}.toml"));
    write_private(&config, text)?;
    for arguments in [&["--check"][..], &[]] {
        let output = run(role, &config, arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{role}: {}: {said}",
            output.status
        );
        for word in words {
            ensure!(said.contains(word), "{role} does not say {word}: {said}");
        }
        ensure!(!said.contains(PASSWORD), "{role} shows a password: {said}");
        ensure!(!said.contains("panicked"), "{role}: {said}");
    }
    Ok(())
}

#[test]
fn a_good_configuration_is_checked_without_a_word() -> Result<()> {
    for role in ROLES {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join(format!("{role}.toml"));
        write_private(&config, &good(role))?;
        let output = run(role, &config, &["--check"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{role}: {said}");
        ensure!(
            said.is_empty() && output.stdout.is_empty(),
            "{role}: {said}"
        );
    }
    Ok(())
}

#[test]
fn what_has_no_effect_is_remarked_upon() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("master.toml");
    write_private(&config, &(good("master") + "[archive]\nkeep_hours = 5.0\n"))?;
    let output = run("master", &config, &["--check"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && said.contains("`state_directory`"),
        "{said}"
    );
    Ok(())
}

#[test]
fn an_unknown_key_is_named_with_its_line() -> Result<()> {
    for role in ROLES {
        let text = format!("burst_of_joy = 3\n{}", good(role));
        refuses(
            role,
            &text,
            &[&format!("{role}.toml"), "line 1", "burst_of_joy"],
        )?;
    }
    Ok(())
}

#[test]
fn a_file_that_is_not_toml_is_named_with_the_line() -> Result<()> {
    for role in ROLES {
        let text = format!("{}\nthis is = = not toml\n", good(role));
        refuses(role, &text, &[&format!("{role}.toml"), "line"])?;
    }
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    for role in ROLES {
        let path = Path::new("/nowhere/plenum.toml");
        let output = run(role, path, &[])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{role}: {}: {said}",
            output.status
        );
        ensure!(said.contains("/nowhere/plenum.toml"), "{role}: {said}");
    }
    Ok(())
}

#[test]
fn a_missing_or_default_password_is_refused_with_how_to_make_one() -> Result<()> {
    // The source's password was chosen by whoever runs the server it goes to.
    for role in ROLES.into_iter().filter(|role| *role != "source") {
        let poor = good(role).replace(PASSWORD, "hackme");
        refuses(role, &poor, &["openssl rand"])?;
    }
    for role in ["source", "master", "relay"] {
        let text = good(role);
        let lines = text.lines().filter(|line| !line.starts_with("password"));
        refuses(role, &lines.collect::<Vec<_>>().join("\n"), &["password"])?;
    }
    Ok(())
}

#[test]
fn every_program_teaches_and_names_its_version() -> Result<()> {
    for role in ROLES {
        let program = find(&format!("plenum-{role}"))?;
        let help = finish(Command::new(&program).arg("--help"), CHECK_MAX)?;
        let said = String::from_utf8_lossy(&help.stdout);
        ensure!(
            help.status.success() && said.contains("xample"),
            "{role}: {said}"
        );
        let version = finish(Command::new(&program).arg("--version"), CHECK_MAX)?;
        let said = String::from_utf8_lossy(&version.stdout);
        ensure!(said.contains(env!("CARGO_PKG_VERSION")), "{role}: {said}");
        let unknown = finish(Command::new(&program).arg("--no-such-thing"), CHECK_MAX)?;
        ensure!(
            unknown.status.code() == Some(2),
            "{role}: {}",
            unknown.status
        );
    }
    Ok(())
}
