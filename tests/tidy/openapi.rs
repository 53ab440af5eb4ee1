//! What the document of the interface names is what the routers name.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::text::{files, root};

const START: &str = "/api/v1/";

#[test]
fn the_openapi_documents_name_every_route_and_no_other() -> Result<()> {
    check(
        "stream/src/http/openapi.json",
        &["stream/", "master/", "relay/"],
    )?;
    check("balancer/src/openapi.json", &["balancer/src/"])
}

fn check(document: &str, folders: &[&str]) -> Result<()> {
    let file = root().join(document);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let paths = document["paths"].as_object().into_iter().flatten();
    let named: BTreeSet<String> = paths.map(|(path, _)| path.clone()).collect();
    let mut routed = BTreeSet::new();
    for file in files(".rs")? {
        let is_served = folders.iter().any(|folder| file.name.starts_with(folder));
        if !is_served || file.name.ends_with("tests.rs") {
            continue;
        }
        for (at, start) in file.text.match_indices(".route(") {
            let rest = file.text[at + start.len()..].trim_start();
            let path = if rest.starts_with("&format!(\"{RECORDED}/{{*mount}}\"") {
                "/api/v1/log/{mount}".to_owned()
            } else {
                let quoted = rest
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                quoted.unwrap_or_default().replace("{*", "{")
            };
            if path.starts_with(START) {
                routed.insert(path);
            }
        }
    }
    ensure!(named == routed, "named {named:?}, routed {routed:?}");
    Ok(())
}
