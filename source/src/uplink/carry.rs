//! Carries pages over a connection on which the server takes the stream, until something
//! ends it. When it stands still, a second one is opened beside it.

use std::time::Duration;

use stream::ogg::Page;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::answer::{Answer, Answers};
use super::connection::{Ended, Opened, ask, broken, connect, next_answer, write};
use super::request::Stream;
use crate::backlog::Shared;
use crate::config::Target;
use crate::status::{Link, Status};

/// After the last page, the server may take this long to close.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// A connection that takes nothing for this long gets a second one beside it. The first
/// stays until the second one is answered.
const STALLED_MAX: Duration = Duration::from_secs(3);

/// How often it is looked whether a connection stands still, and a second one is tried.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// All that one logical stream is sent with.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) target: &'a Target,
    pub(super) stream: &'a Stream,
    pub(super) backlog: &'a Shared,
    pub(super) status: &'a Status,
}

/// One attempt to get the stream to the server, over a connection that is open already or a
/// new one. Pages that were not written wholly stay in the backlog.
pub(super) async fn attempt(load: Load<'_>, opened: Option<Opened>) -> Ended {
    let outcome = match opened {
        Some(opened) => carry(load, opened).await,
        None => open_and_carry(load).await,
    };
    match outcome {
        Ok(()) => Ended::Complete,
        Err(ended) => ended,
    }
}

async fn open_and_carry(load: Load<'_>) -> Result<(), Ended> {
    load.status.set_link(Link::Connecting);
    let socket = connect(load.target).await?;
    let opened = ask(socket, load.target, load.stream).await?;
    carry(load, opened).await
}

async fn carry(load: Load<'_>, opened: Opened) -> Result<(), Ended> {
    let Opened {
        mut reader,
        mut writer,
        mut answers,
        answer,
    } = opened;
    // Only one who has given no final answer yet can say anything later.
    let is_confirming = answer
        .as_ref()
        .is_some_and(|answer| answer.is_plenum && answer.is_interim());
    load.backlog.begin(is_confirming);
    if let Some(answer) = &answer {
        resume(load, answer);
    }
    load.status.set_link(Link::OnAir);
    info!("on air: {} takes the stream", load.target);
    let began = load.backlog.lock().place();
    tokio::select! {
        outcome = send_pages(&mut writer, load) => outcome?,
        why = listen(&mut reader, &mut answers, load.backlog, began) => return Err(why),
        second = second(load) => return Err(Ended::Replaced(Box::new(second))),
    }
    let closed = close(reader, writer, answers, load.backlog).await;
    if closed.is_ok() && is_confirming && !load.backlog.lock().is_confirmed() {
        return Err(broken("it did not confirm that it has everything"));
    }
    closed
}

/// Goes to the page that the master wants, or behind what it has bridged with silence.
fn resume(load: Load<'_>, answer: &Answer) {
    let (target, backlog) = (load.target, load.backlog);
    let n_missing = match answer.wanted {
        Some(wanted) => backlog.go_to(wanted),
        None if answer.is_plenum => backlog.go_to_acknowledged(),
        None => 0,
    };
    let (is_spooled, is_ended) = (backlog.spool().is_some(), backlog.lock().is_ended());
    let fate = if is_spooled {
        "they wait in the spool for an archive"
    } else {
        "they are lost"
    };
    if n_missing > 0 {
        warn!(
            n_missing,
            "{target} misses {n_missing} pages that are too old to be sent live: {fate}"
        );
    }
    if answer.filled.is_zero() {
        return;
    }
    // What was heard as silence is over; the rest is what listeners are waiting for. Of a stream
    // that has ended nobody is.
    let n_skipped = backlog.leave_out(if is_ended {
        Duration::MAX
    } else {
        answer.filled
    });
    let filled_ms = u64::try_from(answer.filled.as_millis()).unwrap_or(u64::MAX);
    info!(
        filled_ms,
        n_skipped,
        "{target} has bridged the break with {filled_ms} ms of silence: going on live; \
         {n_skipped} pages are left out, {fate}"
    );
}

/// Sends header pages and then the backlog, until it ends.
async fn send_pages(writer: &mut OwnedWriteHalf, load: Load<'_>) -> Result<(), Ended> {
    let (backlog, status) = (load.backlog, load.status);
    // The first sound, and with it the header pages, may still be to come.
    let Some(mut page) = backlog.next().await else {
        return Ok(());
    };
    let headers: Vec<Page> = backlog.lock().headers().to_vec();
    for header in &headers {
        backlog.sending();
        write(writer, header.bytes()).await?;
        status.add_bytes(header.len());
    }
    loop {
        backlog.sending();
        write(writer, page.bytes()).await?;
        backlog.sent(&page);
        status.add_bytes(page.len());
        match backlog.next().await {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

/// Opens a second connection when the first stands still, and gives it when it is answered.
async fn second(load: Load<'_>) -> Opened {
    let is_stalled = || load.backlog.stalled() >= STALLED_MAX;
    let mut is_said = false;
    loop {
        sleep(LOOK_EVERY).await;
        if !is_stalled() {
            is_said = false;
            continue;
        }
        if !is_said {
            is_said = true;
            let seconds = STALLED_MAX.as_secs();
            warn!(
                "{} has taken nothing for {seconds} s: trying a second connection beside it",
                load.target
            );
        }
        let Ok(socket) = connect(load.target).await else {
            continue;
        };
        // From the question on the first connection is given up, if the server hears it.
        if !is_stalled() {
            continue;
        }
        match ask(socket, load.target, load.stream).await {
            Ok(opened) if opened.answer.is_some() => return opened,
            _ => {}
        }
    }
}

/// Reads what the server says while pages are sent. Ends only when the connection does,
/// when the server changes its mind, or when a late answer shows that the pages began too
/// late with the one numbered `began`.
async fn listen(
    reader: &mut OwnedReadHalf,
    answers: &mut Answers,
    backlog: &Shared,
    began: u64,
) -> Ended {
    loop {
        let answer = match next_answer(reader, answers).await {
            Ok(answer) => answer,
            Err(ended) => return ended,
        };
        if answer.is_acknowledgement() {
            if let Some(next) = answer.wanted {
                backlog.acknowledge(next);
            }
            continue;
        }
        if let Some(wanted) = answer.wanted.filter(|wanted| u64::from(*wanted) < began) {
            return broken(format!("its late answer wants page {wanted}, not {began}"));
        }
        if answer.is_welcome() {
            return until_closed(reader).await;
        }
        if !answer.is_interim() {
            return Ended::Refused(answer);
        }
    }
}

/// After a final answer, whatever comes is its body.
async fn until_closed(reader: &mut OwnedReadHalf) -> Ended {
    let mut bytes = [0; 2048];
    loop {
        match reader.read(&mut bytes).await {
            Ok(0) => return broken("the server closed the connection"),
            Ok(_) => {}
            Err(error) => return broken(error.to_string()),
        }
    }
}

/// Says that this was all, and lets the server read it to its end.
async fn close(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    mut answers: Answers,
    backlog: &Shared,
) -> Result<(), Ended> {
    let work = async {
        writer
            .shutdown()
            .await
            .map_err(|error| broken(error.to_string()))?;
        loop {
            match next_answer(&mut reader, &mut answers).await {
                Ok(answer) if answer.is_welcome() => {
                    backlog.acknowledge_all();
                    return Ok(());
                }
                Ok(answer) if answer.is_interim() => {}
                Ok(answer) => return Err(Ended::Refused(answer)),
                // It has hung up without a word, as some do.
                Err(_) => return Ok(()),
            }
        }
    };
    timeout(CLOSE_MAX, work).await.unwrap_or(Ok(()))
}
