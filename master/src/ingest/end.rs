//! How a source comes to its end, in words.

use http::StatusCode;

/// How the end of a source came.
pub(super) enum End {
    /// It finished its body.
    Finished,
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

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("it finished"),
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
