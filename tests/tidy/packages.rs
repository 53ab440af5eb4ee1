//! Rules for packages and the files that come with a program.

use anyhow::{Context, Result, ensure};
use toml::Table;

use crate::text::{files, root};
use crate::{PACKAGES, ROLES};

fn manifest(package: &str) -> Result<Table> {
    let path = root().join(package).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| package.to_owned())?;
    Ok(toml::from_str(&text)?)
}

fn names(manifest: &Table, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|t| t.keys().cloned()).collect()
}

#[test]
fn no_role_depends_on_another() -> Result<()> {
    for role in ROLES {
        let manifest = manifest(role)?;
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in names(&manifest, section) {
                ensure!(
                    !PACKAGES.contains(&name.as_str()) || name == "stream",
                    "{role} depends on {name}; what both need belongs into stream"
                );
            }
        }
    }
    let stream = manifest("stream")?;
    let own = names(&stream, "dependencies");
    ensure!(
        !own.iter().any(|name| PACKAGES.contains(&name.as_str())),
        "{own:?}"
    );
    Ok(())
}

#[test]
fn every_dependency_is_used() -> Result<()> {
    let sources = files(".rs")?;
    let mut unused = Vec::new();
    for package in PACKAGES {
        let manifest = manifest(package)?;
        for section in ["dependencies", "dev-dependencies"] {
            for name in names(&manifest, section) {
                let word = name.replace('-', "_");
                let is_used = sources
                    .iter()
                    .filter(|file| file.name.starts_with(&format!("{package}/")))
                    .any(|file| file.text.contains(&word));
                if !is_used {
                    unused.push(format!("{package} does not use {name}"));
                }
            }
        }
    }
    ensure!(unused.is_empty(), "{unused:?}");
    Ok(())
}

#[test]
fn every_dependency_of_the_workspace_belongs_to_a_package() -> Result<()> {
    let text = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let workspace: Table = toml::from_str(&text)?;
    let shared = workspace["workspace"].as_table().context("a table")?;
    let mut used = Vec::new();
    for package in PACKAGES {
        let manifest = manifest(package)?;
        used.extend(names(&manifest, "dependencies"));
        used.extend(names(&manifest, "dev-dependencies"));
    }
    used.extend(PACKAGES.map(str::to_owned));
    let shared = names(shared, "dependencies");
    let unused: Vec<_> = shared.iter().filter(|name| !used.contains(name)).collect();
    ensure!(unused.is_empty(), "nobody depends on {unused:?}");
    Ok(())
}

#[test]
fn every_role_brings_what_its_operator_needs() -> Result<()> {
    let needed = |role: &str| {
        let of_all = [
            "README.md",
            "Dockerfile",
            "src/main.rs",
            "src/lib.rs",
            "src/config.rs",
        ];
        let own = [format!("{role}.toml"), format!("plenum-{role}.service")];
        let names = of_all.map(str::to_owned).into_iter().chain(own);
        names
            .map(|name| format!("{role}/{name}"))
            .collect::<Vec<_>>()
    };
    all_there(ROLES.into_iter().flat_map(needed))
}

#[test]
fn every_unit_starts_what_make_install_installs_however_often_it_ends() -> Result<()> {
    for role in ROLES {
        let path = root().join(role).join(format!("plenum-{role}.service"));
        let text = std::fs::read_to_string(&path).with_context(|| role.to_owned())?;
        let manual = text
            .lines()
            .find_map(|line| line.strip_prefix("Documentation=file:///usr/local/share/doc/plenum/"))
            .with_context(|| format!("{role}: no Documentation= that is installed"))?;
        ensure!(root().join(manual).is_file(), "{role}: no {manual}");
        for line in [
            &format!("ExecStart=/usr/local/bin/plenum-{role} "),
            "StartLimitIntervalSec=0",
            "RestartPreventExitStatus=2",
        ] {
            let is_there = text.lines().any(|own| own.starts_with(line));
            ensure!(is_there, "{role}: no {line}");
        }
        // To it neither of the two applies.
        ensure!(!text.contains("ExecStartPre="), "{role}: ExecStartPre=");
    }
    Ok(())
}

/// The source speaks no https.
#[test]
fn every_image_that_calls_out_knows_whom_to_trust() -> Result<()> {
    for role in ROLES.into_iter().filter(|role| *role != "source") {
        let path = root().join(role).join("Dockerfile");
        let text = std::fs::read_to_string(&path).with_context(|| role.to_owned())?;
        let last_image = text.rsplit("\nFROM ").next().unwrap_or_default();
        ensure!(
            last_image.contains("ca-certificates"),
            "{role}: without certificates nobody can be reached by https"
        );
    }
    Ok(())
}

#[test]
fn shipped_settings_are_toml_and_hold_no_password() -> Result<()> {
    for role in ROLES {
        let path = root().join(role).join(format!("{role}.toml"));
        let text = std::fs::read_to_string(&path).with_context(|| role.to_owned())?;
        let table: Table = toml::from_str(&text).with_context(|| role.to_owned())?;
        let whole = toml::to_string(&table)?;
        let secret = whole
            .lines()
            .find(|line| line.starts_with("password =") || line.starts_with("token ="));
        ensure!(secret.is_none(), "{role}: {secret:?}");
    }
    Ok(())
}

#[test]
fn the_front_door_is_there() -> Result<()> {
    let names = [
        "README.md",
        "LICENSE",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "Makefile",
        ".ci/run",
        "docs/ARCHITECTURE.md",
        "docs/GLOSSARY.md",
        "docs/STYLE.md",
        "docs/PROTOCOL.md",
    ];
    all_there(names.map(str::to_owned).into_iter())
}

fn all_there(names: impl Iterator<Item = String>) -> Result<()> {
    let missing: Vec<_> = names.filter(|name| !root().join(name).is_file()).collect();
    ensure!(missing.is_empty(), "missing: {}", missing.join(", "));
    Ok(())
}
