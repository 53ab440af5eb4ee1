//! Carries pages over a connection on which the server takes the stream, until something
//! ends it. When it stands still, a second one is opened beside it.

use std::fmt;
use std::time::Duration;

use stream::ogg::Page;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::answer::{Answer, Answers};
use super::connection::{
    Ended, HUNG_UP, Known, Opened, Reader, SEND_BUFFER_BYTES, Writer, ask, broken, connect, failed,
    next_answer, write,
};
use super::others::{delivers, moved, needless};
use super::request::Stream;
use crate::backlog::{Shared, Word};
use crate::config::{Target, Way};
use crate::status::{Link, Status};

/// After the last page, the server may take this long to close.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// A connection that takes nothing for this long gets a second one beside it. The first
/// stays until the second one is answered.
pub(super) const STALLED_MAX: Duration = Duration::from_secs(3);

/// How often it is looked whether a connection stands still, and a second one is tried.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// All that one logical stream is sent with over one uplink.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) ways: &'a [Way],
    pub(super) known: &'a Known,
    /// Which of the ways this is.
    pub(super) uplink: usize,
    /// Which of the masters is asked.
    pub(super) master: usize,
    pub(super) stream: &'a Stream,
    pub(super) backlog: &'a Shared,
    pub(super) status: &'a Status,
}

impl<'a> Load<'a> {
    pub(super) fn way(&self) -> &'a Way {
        &self.ways[self.uplink]
    }

    pub(super) fn target(&self) -> &'a Target {
        &self.way().targets[self.master]
    }

    /// There are masters that stand in for one that does not answer, and no other uplink says
    /// that this one answers.
    pub(super) fn may_move_on(&self) -> bool {
        self.way().targets.len() > 1 && !delivers(*self, STALLED_MAX)
    }
}

impl fmt::Display for Load<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target().fmt(f)?;
        match self.ways.len() {
            1 => Ok(()),
            _ => write!(f, " over {}", self.way().name()),
        }
    }
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
    load.status.set_link(load.uplink, Link::Connecting);
    let opened = ask(connect(load).await?, load).await?;
    if opened.answer.is_none() && load.may_move_on() {
        return Err(Ended::Silent("it does not answer".to_owned()));
    }
    carry(load, opened).await
}

async fn carry(load: Load<'_>, opened: Opened) -> Result<(), Ended> {
    let Opened {
        mut reader,
        mut writer,
        mut answers,
        answer,
        round_trip,
    } = opened;
    let (backlog, uplink) = (load.backlog, load.uplink);
    if answer.as_ref().is_some_and(|answer| answer.is_plenum) {
        backlog.set_plenum();
    }
    if answer.is_none() && backlog.is_plenum() {
        // It may want earlier pages; later ones would leave a hole there that stays.
        return Err(broken("the master does not say where to go on"));
    }
    if !load.status.go_on_air(uplink, load.master) {
        return Err(broken("another uplink is on air at another master"));
    }
    // Only one who has given no final answer yet can say anything later.
    let is_plenum = answer.as_ref().is_some_and(|answer| answer.is_plenum);
    let is_confirming = is_plenum && answer.as_ref().is_some_and(Answer::is_interim);
    let word = match &answer {
        None => Word::Awaited,
        Some(_) if is_confirming => Word::Given,
        Some(_) => Word::Never,
    };
    backlog.begin(uplink, word);
    if let Some(answer) = &answer {
        resume(load, answer);
    }
    info!("on air: {load} takes the stream");
    let began = backlog.lock().place(uplink);
    let outcome = tokio::select! {
        outcome = send_pages(&mut writer, load) => outcome,
        why = listen(&mut reader, &mut answers, load, began) => Err(why),
        why = second(load) => Err(why),
        () = needless(load) => Err(Ended::Needless),
        () = moved(load) => Err(broken("the other uplinks have gone to another master")),
    };
    if let Err(mut why) = outcome {
        if !is_plenum {
            go_back(load, &why, round_trip);
            explain(&mut why);
        }
        backlog.leave(uplink);
        return Err(why);
    }
    let closed = close(reader, writer, answers, load).await;
    backlog.leave(uplink);
    if closed.is_ok() && is_confirming && !backlog.lock().is_confirmed() {
        return Err(broken("it did not confirm that it has everything"));
    }
    closed
}

/// A server that does not say what it has cannot have got what was written in the last round
/// trip; nor, if it stood still, what the kernel still holds. Rather twice than never: it has
/// sent its listeners away.
fn go_back(load: Load<'_>, why: &Ended, round_trip: Duration) {
    let n_bytes = match why {
        Ended::Broken(_) | Ended::Refused(_) => 0,
        // The kernel takes twice what it is told.
        Ended::Silent(_) => 2 * SEND_BUFFER_BYTES as usize,
        _ => return,
    };
    load.backlog.go_back(load.uplink, round_trip, n_bytes);
}

/// Says where to look when a server that says nothing itself has hung up.
fn explain(why: &mut Ended) {
    if let Ended::Broken(text) = why
        && text == HUNG_UP
    {
        text.push_str(
            " without a word: it was stopped, an administrator ended the stream, or nothing came \
             for too long (Icecast: `source-timeout`); its own log says which (Icecast: error.log)",
        );
    }
}

/// Goes to the page that the master wants, or behind what it has bridged with silence.
fn resume(load: Load<'_>, answer: &Answer) {
    let (backlog, uplink) = (load.backlog, load.uplink);
    let n_missing = match answer.wanted {
        Some(wanted) => backlog.go_to(uplink, wanted),
        None if answer.is_plenum => backlog.go_to_acknowledged(uplink),
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
            "{load} misses {n_missing} pages that are too old to be sent live: {fate}"
        );
    }
    if answer.filled.is_zero() {
        return;
    }
    // What was heard as silence is over; the rest is what listeners are waiting for. Of a stream
    // that has ended nobody is.
    let length = if is_ended {
        Duration::MAX
    } else {
        answer.filled
    };
    let n_skipped = backlog.leave_out(uplink, length);
    let filled_ms = u64::try_from(answer.filled.as_millis()).unwrap_or(u64::MAX);
    info!(
        filled_ms,
        n_skipped,
        "{load} has bridged the break with {filled_ms} ms of silence: going on live; \
         {n_skipped} pages are left out, {fate}"
    );
}

/// Sends header pages and then the backlog, until it ends.
async fn send_pages(writer: &mut Writer, load: Load<'_>) -> Result<(), Ended> {
    let (backlog, uplink, status) = (load.backlog, load.uplink, load.status);
    // The first sound, and with it the header pages, may still be to come.
    let Some(mut page) = backlog.next(uplink).await else {
        return Ok(());
    };
    let headers: Vec<Page> = backlog.lock().headers().to_vec();
    for header in &headers {
        backlog.sending(uplink);
        write(writer, header.bytes()).await?;
        status.add_bytes(header.len());
    }
    loop {
        backlog.sending(uplink);
        write(writer, page.bytes()).await?;
        backlog.sent(uplink, &page);
        status.add_bytes(page.len());
        match backlog.next(uplink).await {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

/// Opens a second connection when the first stands still, and gives it when it is answered.
/// Where it is not, and another master may be asked, that ends the first one, too.
async fn second(load: Load<'_>) -> Ended {
    let is_stalled = || load.backlog.stalled(load.uplink) >= STALLED_MAX;
    let seconds = STALLED_MAX.as_secs();
    let mut is_said = false;
    loop {
        sleep(LOOK_EVERY).await;
        if !is_stalled() {
            is_said = false;
            continue;
        }
        if !is_said {
            is_said = true;
            warn!("{load} has taken nothing for {seconds} s: trying a second connection beside it");
        }
        let connected = connect(load).await;
        // From the question on the first connection is given up, if the server hears it.
        if !is_stalled() {
            continue;
        }
        let opened = match connected {
            Ok(connected) => ask(connected, load).await,
            Err(why) => Err(why),
        };
        match opened {
            Ok(opened) if opened.answer.is_some() => return Ended::Replaced(Box::new(opened)),
            _ if is_stalled() && load.may_move_on() => {
                return Ended::Silent(format!("it has taken nothing for {seconds} s"));
            }
            _ => {}
        }
    }
}

/// Reads what the server says while pages are sent. Ends only when the connection does,
/// when the server changes its mind, or when a late answer shows that the pages began too
/// late with the one numbered `began`.
async fn listen(reader: &mut Reader, answers: &mut Answers, load: Load<'_>, began: u64) -> Ended {
    loop {
        let answer = match next_answer(reader, answers).await {
            Ok(answer) => answer,
            Err(ended) => return ended,
        };
        if answer.is_plenum {
            load.backlog.set_plenum();
        } else {
            load.backlog.answered();
        }
        if answer.is_acknowledgement() {
            if let Some(next) = answer.wanted {
                load.backlog.acknowledge(load.uplink, next);
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
async fn until_closed(reader: &mut Reader) -> Ended {
    let mut bytes = [0; 2048];
    loop {
        match reader.read(&mut bytes).await {
            Ok(0) => return broken(HUNG_UP),
            Ok(_) => {}
            Err(error) => return failed(&error),
        }
    }
}

/// Says that this was all, and lets the server read it to its end.
async fn close(
    mut reader: Reader,
    mut writer: Writer,
    mut answers: Answers,
    load: Load<'_>,
) -> Result<(), Ended> {
    let work = async {
        writer
            .shutdown()
            .await
            .map_err(|error| broken(error.to_string()))?;
        loop {
            match next_answer(&mut reader, &mut answers).await {
                Ok(answer) if answer.is_welcome() => {
                    load.backlog.acknowledge_all(load.uplink);
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
