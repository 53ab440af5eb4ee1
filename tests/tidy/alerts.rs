//! Alert rules and dashboard ask for figures that exist, in a way that finds them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::promql::{Labels, labels_of};
use crate::text::root;

/// Fewer are a sign that they were not found.
const QUERIES_MIN: usize = 15;

fn text(name: &str) -> Result<String> {
    std::fs::read_to_string(root().join(name)).with_context(|| name.to_owned())
}

/// The figures that operate.md names, with their labels: "| `plenum_slots{class}` | …".
fn figures() -> Result<BTreeMap<String, Labels>> {
    let document = text("docs/operate.md")?;
    let mut found = BTreeMap::new();
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `plenum_"));
    for row in rows {
        let cell = row.split('|').nth(1).unwrap_or_default();
        for words in cell.split('`').filter(|word| word.starts_with("plenum_")) {
            let (name, labels) = words.split_once('{').unwrap_or((words, "}"));
            let labels = labels.trim_end_matches('}').split(',');
            let own = labels.filter(|label| !label.is_empty());
            let of_every = ["instance", "job"];
            found.insert(
                name.to_owned(),
                own.chain(of_every).map(str::to_owned).collect(),
            );
        }
    }
    Ok(found)
}

/// The queries of the alert rules, also of those that wait behind a `#` for somebody to name his
/// mount.
fn of_rules(rules: &str) -> Vec<String> {
    let lines = rules
        .lines()
        .map(|line| line.trim_start_matches([' ', '#']));
    lines
        .filter_map(|line| line.strip_prefix("expr: "))
        .map(str::to_owned)
        .collect()
}

fn of_dashboard(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| of_dashboard(item, found)),
        Value::Object(fields) => {
            found.extend(
                fields
                    .get("expr")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            fields.values().for_each(|item| of_dashboard(item, found));
        }
        _ => {}
    }
}

#[test]
fn every_query_of_alerts_and_dashboard_can_find_something() -> Result<()> {
    let figures = figures()?;
    let rules = of_rules(&text("docs/alerts.yml")?);
    let mut panels = Vec::new();
    of_dashboard(
        &serde_json::from_str(&text("docs/grafana.json")?)?,
        &mut panels,
    );
    for (file, queries) in [("alerts.yml", rules), ("grafana.json", panels)] {
        ensure!(queries.len() >= QUERIES_MIN, "{file}: {queries:?}");
        for query in queries {
            labels_of(&query, &figures).with_context(|| format!("{file}: {query}"))?;
        }
    }
    Ok(())
}

#[test]
fn every_figure_that_the_document_names_is_in_the_code() -> Result<()> {
    let programs = [
        ("plenum_balancer_", text("balancer/src/metrics.rs")?),
        ("plenum_", text("stream/src/http/metrics.rs")?),
    ];
    for name in figures()?.keys() {
        let own = programs
            .iter()
            .find_map(|(prefix, code)| Some((name.strip_prefix(prefix)?, code)));
        let (own, code) = own.with_context(|| name.clone())?;
        // The library puts `_total` behind what only rises.
        let quoted = format!("\"{}\"", own.trim_end_matches("_total"));
        ensure!(code.contains(&quoted), "{name} is not in the code");
    }
    Ok(())
}
