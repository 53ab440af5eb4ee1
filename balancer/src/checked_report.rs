//! A relay's report after every field of it was checked. Pure.
//!
//! What the body says of itself is not believed further than this: who is speaking is the
//! token's business, and whether the report is newer than the last one the registry's.

use std::collections::BTreeMap;

use stream::lease::Lease;
use stream::mount::{MOUNTS_MAX, MountPath};
use stream::report::{Arrivals, MountReport, Place, Report};

use crate::base_url::BaseUrl;
use crate::place;

/// A relay that claims more places is refused: a typing mistake, or worse.
pub const SLOTS_MAX: u32 = 1_000_000;
/// More runs of balancers in one report are refused.
const RUNS_MAX: usize = 64;
/// More stretches of tickets in one report are refused.
const STRETCHES_MAX: usize = 10_000;
/// The longest `run`, `content_type` and `epoch`.
const WORD_BYTES_MAX: usize = 100;

/// A report that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedReport {
    /// Where listeners reach the relay.
    pub url: BaseUrl,
    /// Random name of this run of the relay.
    pub run: String,
    /// Counts the reports of the run.
    pub sequence: u64,
    /// How many listeners it could serve.
    pub slots: u32,
    /// How many it serves.
    pub listeners: u32,
    /// It wants no new ones.
    pub is_draining: bool,
    /// Where it says it stands.
    pub place: Option<Place>,
    /// What it carries.
    pub mounts: BTreeMap<MountPath, Carried>,
    /// Who came with a ticket and who without, if it says so.
    pub arrivals: Option<Arrivals>,
    /// What it lends, if there are other balancers.
    pub lease: Option<Lease>,
}

/// One mount at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The media type listeners get.
    pub content_type: String,
    /// Its log goes on: a listener who comes now hears it.
    pub is_on_air: bool,
    /// He hears another mount in its stead.
    pub is_stood_in: bool,
    /// Listeners on this mount.
    pub listeners: u32,
}

impl Carried {
    /// A listener who comes now hears something.
    pub fn is_heard(&self) -> bool {
        self.is_on_air || self.is_stood_in
    }
}

impl CheckedReport {
    /// Reads the body of a report.
    ///
    /// # Errors
    /// One sentence that names the field.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let report: Report = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => format!("the report {}", error.inner()),
                path => format!("`{path}` in the report: {}", error.inner()),
            }
        })?;
        json.end()
            .map_err(|error| format!("something follows the report: {error}"))?;
        Self::check(report)
    }

    fn check(report: Report) -> Result<Self, String> {
        let url = BaseUrl::parse(&report.url).map_err(|complaint| format!("`url` {complaint}"))?;
        check_word("run", &report.run)?;
        if report.slots > SLOTS_MAX {
            return Err(format!("`slots` is more than {SLOTS_MAX}"));
        }
        let place = report
            .place
            .map(place::checked)
            .transpose()
            .map_err(|complaint| format!("`place` is not on the globe: {complaint}"))?;
        Ok(Self {
            url,
            run: report.run,
            sequence: report.sequence,
            slots: report.slots,
            listeners: report.listeners,
            is_draining: report.draining,
            place,
            mounts: check_mounts(report.mounts)?,
            arrivals: report.arrivals.map(check_arrivals).transpose()?,
            lease: report.lease,
        })
    }
}

fn check_mounts(mounts: Vec<MountReport>) -> Result<BTreeMap<MountPath, Carried>, String> {
    if mounts.len() > MOUNTS_MAX {
        return Err(format!(
            "`mounts` has {} entries, at most {MOUNTS_MAX} are taken",
            mounts.len()
        ));
    }
    let mut checked = BTreeMap::new();
    for (at, mount) in mounts.into_iter().enumerate() {
        let path = MountPath::parse(&mount.path)
            .map_err(|complaint| format!("`mounts[{at}].path`: {complaint}"))?;
        check_word(&format!("mounts[{at}].content_type"), &mount.content_type)?;
        check_word(&format!("mounts[{at}].epoch"), &mount.epoch)?;
        let carried = Carried {
            content_type: mount.content_type,
            is_on_air: mount.is_on_air,
            is_stood_in: mount.is_stood_in,
            listeners: mount.listeners,
        };
        if checked.insert(path, carried).is_some() {
            return Err(format!("`mounts[{at}].path` is there twice"));
        }
    }
    Ok(checked)
}

fn check_arrivals(arrivals: Arrivals) -> Result<Arrivals, String> {
    let n_runs = arrivals.admitted.len();
    let stretches = || {
        arrivals
            .admitted
            .iter()
            .flat_map(|admitted| &admitted.serials)
    };
    let n_stretches = stretches().count();
    if n_runs > RUNS_MAX || n_stretches > STRETCHES_MAX {
        return Err(format!(
            "`arrivals.admitted` has {n_runs} runs with {n_stretches} stretches, at most \
             {RUNS_MAX} with {STRETCHES_MAX} are taken"
        ));
    }
    if stretches().any(|(first, last)| first > last) {
        return Err("`arrivals.admitted` has a stretch that ends before it begins".to_owned());
    }
    // Each is looked at one by one, and so once.
    let mut all = arrivals.admitted.iter().map(|admitted| &admitted.serials);
    if all.any(|serials| serials.windows(2).any(|two| two[1].0 <= two[0].1)) {
        return Err("`arrivals.admitted` has stretches that overlap or go back".to_owned());
    }
    let mut runs: Vec<_> = arrivals
        .admitted
        .iter()
        .map(|admitted| admitted.run)
        .collect();
    runs.sort_unstable();
    if runs.windows(2).any(|two| two[0] == two[1]) {
        return Err("`arrivals.admitted` has a run twice".to_owned());
    }
    Ok(arrivals)
}

/// Short and printable, so that it can stand in a log line and on a page.
fn check_word(field: &str, text: &str) -> Result<(), String> {
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.len() > WORD_BYTES_MAX || !is_printable {
        return Err(format!(
            "`{field}` is not at most {WORD_BYTES_MAX} printable ASCII characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "url": "http://relay.example:8000/", "run": "a1", "sequence": 1, "slots": 500,
            "listeners": 3, "draining": false,
            "place": {"latitude": 52.5, "longitude": 13.4},
            "mounts": [{"path": "/live.ogg", "content_type": "application/ogg", "is_on_air": true,
                        "epoch": "00ff", "offset": 9, "listeners": 3}]
        })
    }

    fn check(pointer: &str, value: Value, complaint: &str) {
        let mut report = good();
        *report.pointer_mut(pointer).unwrap() = value;
        let refused = CheckedReport::parse(report.to_string().as_bytes()).unwrap_err();
        assert!(refused.contains(complaint), "{pointer}: {refused}");
        assert!(!refused.contains('\n'), "{refused}");
    }

    #[test]
    fn a_good_report_is_taken() {
        let report = CheckedReport::parse(good().to_string().as_bytes()).unwrap();
        assert_eq!(report.url.as_str(), "http://relay.example:8000");
        assert!(report.mounts[&MountPath::parse("/live.ogg").unwrap()].is_on_air);
        let mut without_place = good();
        without_place.as_object_mut().unwrap().remove("place");
        assert!(CheckedReport::parse(without_place.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn a_wrong_field_is_named() {
        check("/url", json!("http://a@b"), "`url` names a user");
        check("/url", json!("http://b/live.ogg"), "`url` has something");
        check("/url", json!(7), "`url`");
        check("/run", json!("a\u{1b}b"), "`run`");
        check("/run", json!("x".repeat(101)), "`run`");
        check("/sequence", json!(-1), "`sequence`");
        check("/slots", json!(1_000_001), "`slots`");
        check("/slots", json!("many"), "`slots`");
        check("/listeners", json!(1.5), "`listeners`");
        check("/draining", json!(null), "`draining`");
        check(
            "/place/latitude",
            json!(91),
            "`place` is not on the globe: latitude",
        );
        check("/place/longitude", json!("x"), "`place.longitude`");
        check("/mounts/0/path", json!("//evil"), "`mounts[0].path`");
        check("/mounts/0/path", json!("/a\r\nb"), "`mounts[0].path`");
        check("/mounts/0/offset", json!("x"), "`mounts[0].offset`");
        check(
            "/mounts/0/content_type",
            json!("a\nb"),
            "`mounts[0].content_type`",
        );
    }

    #[test]
    fn too_many_or_double_mounts_are_refused() {
        let mount = |n: usize| {
            let mut mount = good()["mounts"][0].clone();
            mount["path"] = json!(format!("/{n}.ogg"));
            mount
        };
        let many: Vec<Value> = (0..=MOUNTS_MAX).map(mount).collect();
        check("/mounts", json!(many), "at most 256");
        check(
            "/mounts",
            json!([mount(1), mount(1)]),
            "`mounts[1].path` is there twice",
        );
    }

    #[test]
    fn unknown_or_missing_fields_and_broken_text_are_refused() {
        let parse = |text: &str| CheckedReport::parse(text.as_bytes()).unwrap_err();
        let mut more = good();
        more["secret"] = json!(1);
        assert!(parse(&more.to_string()).contains("`secret`"));
        let mut less = good();
        less.as_object_mut().unwrap().remove("slots");
        assert!(parse(&less.to_string()).contains("`slots`"));
        for text in ["", "{", "null", "[]", "\u{0}", "{\"url\":"] {
            assert!(!parse(text).is_empty());
        }
        assert!(parse(&format!("{} {{}}", good())).contains("something follows"));
        let deep = "[".repeat(100_000);
        assert!(!parse(&deep).is_empty());
    }
}
