//! How a source comes to its end, in words.

use http::StatusCode;
use stream::ogg::Page;

/// How the end of a source came.
pub(super) enum End {
    /// It finished its body.
    Finished,
    /// Its body ends with the connection, and it hung up before its stream had an end.
    Unended,
    /// As that, with a format that has no mark for its end.
    HungUp,
    /// Its connection broke.
    Broken(String),
    /// It sent something that cannot be streamed.
    Refused(StatusCode, String),
    /// It sent nothing for too long.
    Silent,
    /// Another connection of the same source took over.
    TakenOver,
    /// The operator wants it, or somebody with its own password.
    Ended,
    /// The master is stopping.
    Stopping,
    /// The program after this one goes on with it.
    HandedOver,
}

impl End {
    /// It has hung up, as all do whose body ends with the connection. `last`: its last page.
    pub(super) fn of_hang_up(last: Option<&Page>) -> Self {
        match last {
            Some(page) if !page.is_ogg() => Self::HungUp,
            Some(page) if page.stamp().is_last => Self::Finished,
            _ => Self::Unended,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("it finished"),
            Self::Unended => {
                f.write_str("its connection broke: it hung up without an end of stream")
            }
            Self::HungUp => f.write_str("it hung up"),
            Self::Broken(why) => write!(f, "its connection broke: {why}"),
            Self::Refused(_, why) => f.write_str(why),
            Self::Silent => f.write_str("it sent nothing for too long"),
            Self::TakenOver => f.write_str("another connection of the same source took over"),
            Self::Ended => f.write_str("it was ended by an order"),
            Self::Stopping => f.write_str("the master is stopping"),
            Self::HandedOver => f.write_str("another program goes on with it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use stream::ogg::Stamp;

    use super::*;

    #[test]
    fn who_hangs_up_has_finished_only_if_his_stream_has() {
        let page = |is_last| {
            let stamp = Stamp {
                serial: 7,
                sequence: 3,
                granule: 960,
                is_first: false,
                is_last,
                is_continued: false,
            };
            Page::build(stamp, &[4], b"four")
        };
        let said = |last: Option<&Page>| End::of_hang_up(last).to_string();
        assert_eq!(said(Some(&page(true))), "it finished");
        let broken = "its connection broke: it hung up without an end of stream";
        assert_eq!(said(Some(&page(false))), broken);
        assert_eq!(said(None), broken);
    }
}
