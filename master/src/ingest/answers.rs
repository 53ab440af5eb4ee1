//! What sources are told: that they may begin, how far their sound has come, and why not.

use std::io;
use std::time::Duration;

use http::StatusCode;
use stream::http::answer::{Answer, SERVER};
use stream::http::date::http_date;
use stream::http::head::{Head, Version};
use stream::http::{Caller, turned_away};
use stream::mount::{Publisher, Wanted};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::serial_of;
use crate::refuse::ALLOW;

/// A source that takes nothing for so long while it sends does not read its answers.
const SAY_MAX: Duration = Duration::from_secs(2);

/// Tells the source to begin, and our own source the page it should go on with. Those who
/// wait for `100 Continue` get their final answer at the end, where it can say what went wrong;
/// the others want it before they send anything.
pub(super) async fn begin(
    head: &Head,
    caller: &mut Caller,
    publisher: &Publisher,
    has_answered: &mut bool,
) -> io::Result<()> {
    let wanted = serial_of(head).and_then(|serial| publisher.wanted(serial));
    let said = wanted.map(said).unwrap_or_default();
    let mut answer = String::new();
    if head.expects_continue() && head.version == Version::Http11 {
        let lines: String = said.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        answer = format!("HTTP/1.1 100 Continue\r\nServer: {SERVER}\r\n{lines}\r\n");
    }
    *has_answered = answer.is_empty();
    if *has_answered {
        let date = http_date();
        let final_answer = Answer::new(head.version, StatusCode::OK, &date).header("Allow", ALLOW);
        let final_answer = said.iter().fold(final_answer, |answer, (name, value)| {
            answer.header(name, value)
        });
        answer.push_str(&String::from_utf8_lossy(&final_answer.endless()));
    }
    caller.socket.write_all(answer.as_bytes()).await?;
    caller.socket.flush().await
}

/// Says something to a source that is sending, which must not be waited for. `false`: it does
/// not listen.
pub(super) async fn say(caller: &mut Caller, text: &str) -> bool {
    let work = async {
        caller.socket.write_all(text.as_bytes()).await?;
        caller.socket.flush().await
    };
    matches!(timeout(SAY_MAX, work).await, Ok(Ok(())))
}

/// What our own source is told that has come back: where it goes on, and how much of the time
/// since then listeners have heard already, as silence.
fn said(wanted: Wanted) -> Vec<(&'static str, String)> {
    let filled_ms = wanted.filled.as_millis();
    let filled = (filled_ms > 0).then(|| ("Stream-Filled", filled_ms.to_string()));
    let sequence = ("Stream-Sequence", wanted.sequence.to_string());
    [sequence].into_iter().chain(filled).collect()
}

pub(super) async fn refuse(head: &Head, caller: Caller, status: StatusCode, why: &str) {
    if status != StatusCode::OK {
        say_refused(head, why);
    }
    answer(head, caller, status, why).await;
}

/// Refuses one who wants a mount that is another's. Old clients look for this status and these words.
pub(super) async fn refuse_in_use(head: &Head, caller: Caller) {
    let why = "Mountpoint in use";
    say_refused(
        head,
        &format!(
            "{why}: another source sends there. It makes room when it stops, when it is silent and \
             has the same user and password, or by /admin/killsource"
        ),
    );
    answer(head, caller, StatusCode::FORBIDDEN, why).await;
}

fn say_refused(head: &Head, why: &str) {
    let (who, path) = (turned_away::user(head.header("authorization")), &head.path);
    let path = turned_away::shortened(path);
    turned_away::say(&format!("refused a source: user {who} at {path}: {why}"));
}

/// Says what has become of its stream to a source whose end the log tells of already.
pub(super) async fn answer(head: &Head, caller: Caller, status: StatusCode, why: &str) {
    let answer = Answer::new(head.version, status, &http_date()).header("Allow", ALLOW);
    caller.answer(&answer.sentence(why)).await;
}
