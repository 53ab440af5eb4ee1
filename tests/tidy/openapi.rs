//! What the document of the interface names is what the routers name: every path, and every method.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::text::{files, root};

const START: &str = "/api/v1/";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[test]
fn the_openapi_documents_name_every_route_and_method_and_no_other() -> Result<()> {
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
    let named: BTreeSet<String> = paths
        .flat_map(|(path, about)| {
            let methods = about.as_object().into_iter().flatten();
            let methods = methods.filter(|(name, _)| METHODS.contains(&name.as_str()));
            methods.map(move |(method, _)| format!("{method} {path}"))
        })
        .collect();
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
                let methods = methods(rest);
                ensure!(!methods.is_empty(), "{path}: which methods?");
                routed.extend(methods.iter().map(|method| format!("{method} {path}")));
            }
        }
    }
    ensure!(named == routed, "named {named:?}, routed {routed:?}");
    Ok(())
}

/// The methods of a route, of what stands behind its opening bracket.
fn methods(rest: &str) -> Vec<&'static str> {
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    let call = rest.split_at(end.unwrap_or(rest.len())).0;
    let words = |method: &&str| {
        let called = format!("{method}(");
        let mut places = call.match_indices(&called);
        places.any(|(at, _)| !call[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    METHODS.into_iter().filter(words).collect()
}
