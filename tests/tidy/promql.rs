//! Prometheus' queries, as far as ours need them: whether one can be read, and which labels what it
//! finds has. Two sides that do not have the same labels never meet, and an alert never fires.
//!
//! There is a library, promql-parser: it brings twenty packages along, one of them without a
//! maintainer, and does not look at labels.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// Names of labels.
pub(crate) type Labels = BTreeSet<String>;

/// What a part of a query comes to.
enum Kind {
    Number,
    /// One value for each set of labels.
    Values(Labels),
    /// Those of some minutes.
    Range(Labels),
}

const AGGREGATIONS: [&str; 5] = ["sum", "count", "max", "min", "avg"];
/// Operators by how weakly they bind.
const OPERATORS: [&[&str]; 5] = [
    &["or"],
    &["and", "unless"],
    &["==", "!=", ">", "<", ">=", "<="],
    &["+", "-"],
    &["*", "/"],
];
/// Operators that choose among what stands before them, by what stands behind them.
const SETS: [&str; 3] = ["or", "and", "unless"];

/// The labels of what `query` finds; `figures`: those that exist, with their labels.
pub(crate) fn labels_of(query: &str, figures: &BTreeMap<String, Labels>) -> Result<Labels> {
    let words = words(query)?;
    let mut reader = Reader {
        words: &words,
        figures,
    };
    let kind = reader.operation(0)?;
    ensure!(reader.words.is_empty(), "what is {:?}?", reader.words);
    values(kind)
}

fn values(kind: Kind) -> Result<Labels> {
    match kind {
        Kind::Values(labels) => Ok(labels),
        Kind::Number => bail!("a number has no labels"),
        Kind::Range(_) => bail!("a range has to go through rate() or increase()"),
    }
}

/// Names, numbers, quoted words, and signs.
fn words(query: &str) -> Result<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || "_.:".contains(c);
        let length = if first == '"' {
            rest[1..].find('"').context("a quote is open")? + 2
        } else if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else {
            let twos = ["==", "!=", ">=", "<=", "=~", "!~"];
            let is_two = twos.iter().any(|two| rest.starts_with(two));
            if is_two { 2 } else { first.len_utf8() }
        };
        let (word, behind) = rest.split_at(length);
        found.push(word);
        rest = behind.trim_start();
    }
    Ok(found)
}

struct Reader<'a> {
    words: &'a [&'a str],
    figures: &'a BTreeMap<String, Labels>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<&'a str> {
        let (first, rest) = self.words.split_first().context("it breaks off")?;
        self.words = rest;
        Ok(first)
    }

    fn is_next(&mut self, word: &str) -> bool {
        let is_it = self.words.first() == Some(&word);
        if is_it {
            self.words = &self.words[1..];
        }
        is_it
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let next = self.next()?;
        ensure!(next == word, "{next:?} where {word:?} should be");
        Ok(())
    }

    /// `(a, b)`
    fn names(&mut self) -> Result<Labels> {
        self.expect("(")?;
        let mut found = Labels::new();
        while !self.is_next(")") {
            found.insert(self.next()?.to_owned());
            self.is_next(",");
        }
        Ok(found)
    }

    fn operation(&mut self, level: usize) -> Result<Kind> {
        let Some(operators) = OPERATORS.get(level) else {
            return self.part();
        };
        let mut left = self.operation(level + 1)?;
        while let Some(&operator) = self.words.first().filter(|word| operators.contains(word)) {
            self.next()?;
            let on = self.is_next("on").then(|| self.names()).transpose()?;
            let right = self.operation(level + 1)?;
            left = join(left, operator, on, right)?;
        }
        Ok(left)
    }

    fn part(&mut self) -> Result<Kind> {
        let word = self.next()?;
        if word == "(" {
            let inner = self.operation(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if word.parse::<f64>().is_ok() {
            return Ok(Kind::Number);
        }
        if AGGREGATIONS.contains(&word) {
            let by = self.is_next("by").then(|| self.names()).transpose()?;
            let by = by.unwrap_or_default();
            let of = self.argument()?;
            return only(&by, &values(of)?).map(|()| Kind::Values(by));
        }
        match word {
            "time" => {
                self.names()?;
                Ok(Kind::Number)
            }
            "rate" | "increase" => match self.argument()? {
                Kind::Range(labels) => Ok(Kind::Values(labels)),
                _ => bail!("{word} of what is no range"),
            },
            "absent" => {
                let of = self.argument()?;
                values(of).map(|_| Kind::Values(Labels::new()))
            }
            "histogram_quantile" => {
                self.expect("(")?;
                self.operation(0)?;
                self.expect(",")?;
                let of = self.operation(0)?;
                self.expect(")")?;
                let mut labels = values(of)?;
                ensure!(labels.remove("le"), "a quantile of what has no `le`");
                Ok(Kind::Values(labels))
            }
            name => self.figure(name),
        }
    }

    fn argument(&mut self) -> Result<Kind> {
        self.expect("(")?;
        let of = self.operation(0)?;
        self.expect(")")?;
        Ok(of)
    }

    /// `name{label="value"}[1m]`
    fn figure(&mut self, name: &str) -> Result<Kind> {
        let bare = name.trim_end_matches("_count");
        let (bare, le) = match name.strip_suffix("_bucket") {
            Some(bare) => (bare, Some("le".to_owned())),
            None => (bare, None),
        };
        let own = match name {
            "up" => Labels::from(["instance", "job"].map(str::to_owned)),
            _ => self
                .figures
                .get(bare)
                .context(format!("there is no {name}"))?
                .clone(),
        };
        let labels: Labels = own.into_iter().chain(le).collect();
        if self.is_next("{") {
            while !self.is_next("}") {
                let asked = Labels::from([self.next()?.to_owned()]);
                only(&asked, &labels).context(name.to_owned())?;
                let (how, value) = (self.next()?, self.next()?);
                ensure!(["=", "!=", "=~", "!~"].contains(&how), "{how:?}");
                ensure!(value.starts_with('"'), "{value} is not in quotes");
                self.is_next(",");
            }
        }
        if self.is_next("[") {
            self.next()?;
            self.expect("]")?;
            return Ok(Kind::Range(labels));
        }
        Ok(Kind::Values(labels))
    }
}

/// All of `asked` are there.
fn only(asked: &Labels, there: &Labels) -> Result<()> {
    ensure!(asked.is_subset(there), "{asked:?} of {there:?}");
    Ok(())
}

fn join(left: Kind, operator: &str, on: Option<Labels>, right: Kind) -> Result<Kind> {
    let is_set = SETS.contains(&operator);
    let (left, right) = match (left, right) {
        (Kind::Values(left), Kind::Values(right)) => (left, right),
        (Kind::Range(_), _) | (_, Kind::Range(_)) => bail!("a range beside {operator}"),
        _ if is_set || on.is_some() => bail!("{operator}: a number has no labels"),
        (Kind::Number, Kind::Number) => return Ok(Kind::Number),
        (Kind::Values(labels), _) | (_, Kind::Values(labels)) => return Ok(Kind::Values(labels)),
    };
    let Some(on) = on else {
        ensure!(left == right, "{left:?} {operator} {right:?} never meet");
        return Ok(Kind::Values(left));
    };
    only(&on, &left)?;
    only(&on, &right)?;
    Ok(Kind::Values(if is_set { left } else { on }))
}

#[test]
fn what_would_never_fire_is_found() {
    let labels = |names: &[&str]| -> Labels { names.iter().map(|&name| name.into()).collect() };
    let figures = BTreeMap::from([
        ("heard".to_owned(), labels(&["instance", "job", "mount"])),
        ("slots".to_owned(), labels(&["instance", "job", "class"])),
    ]);
    let of = |query: &str| labels_of(query, &figures);
    let good = "sum by (instance) (heard) > on (instance) 0.9 * slots{class=\"relay\"}";
    assert_eq!(of(good).unwrap(), labels(&["instance"]));
    let good = "(heard > 5 or heard == 1) and on (job) max by (job) (slots) > time() - 4";
    assert_eq!(of(good).unwrap(), labels(&["instance", "job", "mount"]));
    for (bad, why) in [
        (
            "sum by (instance) (heard) > 0.9 * on (instance) slots",
            "a number",
        ),
        (
            "rate(heard[5m]) > 0.01 * sum by (instance, mount) (heard)",
            "never meet",
        ),
        ("sum by (shard) (heard) > 1", "shard"),
        ("heard{clas=\"relay\"} == 1", "clas"),
        ("rate(heard) > 1", "no range"),
        ("heard[5m] > 1", "a range"),
        ("seen == 1", "no seen"),
        ("heard == (1", "breaks off"),
        ("heard == 1)", "what is"),
    ] {
        let complaint = format!("{:#}", of(bad).unwrap_err());
        assert!(complaint.contains(why), "{bad}: {complaint}");
    }
}
