//! Whether all was well, and if not, what was not. Pure.

use crate::outcome::Outcome;

/// What was not as it should be, in words. Nothing: all was well.
pub(crate) fn complaints(outcome: &Outcome) -> Vec<String> {
    let n_mute = outcome.n_asked.saturating_sub(outcome.n_heard) as u64;
    let n_late_mute = outcome.n_churned.saturating_sub(outcome.n_churned_heard);
    let counts = [
        (n_mute, "listeners heard no sound"),
        (n_late_mute, "who came for others heard no sound"),
        (outcome.n_dropped, "were cut off by the server"),
        (outcome.n_wrong_pages(), "pages were wrong"),
    ];
    let counts = counts.into_iter().filter(|(n, _)| *n > 0);
    let mut complaints: Vec<_> = counts.map(|(n, what)| format!("{n} {what}")).collect();
    if let Some(location) = &outcome.stranded_at {
        let why = if location.starts_with("https:") {
            "this program speaks plain http only"
        } else {
            "it cannot go there, or was sent on too often"
        };
        let n = outcome.n_stranded;
        complaints.push(format!("{n} were sent on to {location:.200}: {why}"));
    }
    complaints
}

/// The last line of the result.
pub(crate) fn sentence(complaints: &[String]) -> String {
    if complaints.is_empty() {
        return "all well: everybody heard sound, and every page that was checked was right\n"
            .to_owned();
    }
    format!("not well: {}\n", complaints.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_is_complained_of() {
        let mut outcome = Outcome {
            n_asked: 5,
            n_heard: 5,
            n_churned: 3,
            n_churned_heard: 3,
            ..Outcome::default()
        };
        assert!(sentence(&complaints(&outcome)).starts_with("all well"));
        outcome.n_churned_heard = 2;
        outcome.sample.n_gaps = 1;
        let expected = ["1 who came for others heard no sound", "1 pages were wrong"];
        assert_eq!(complaints(&outcome), expected);
    }

    #[test]
    fn a_redirect_to_tls_is_told_of_in_words() {
        let outcome = Outcome {
            n_asked: 1,
            n_stranded: 1,
            stranded_at: Some("https://radio.example/live.ogg".to_owned()),
            ..Outcome::default()
        };
        let text = sentence(&complaints(&outcome));
        assert!(text.contains("plain http only"), "{text}");
    }
}
