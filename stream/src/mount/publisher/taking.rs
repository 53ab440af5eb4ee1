//! What a source sends, page by page, on its way to the writer.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::returning::Step;
use super::{Publisher, lock};
use crate::mount::mount::OnAir;
use crate::ogg::{Page, Stray};

impl Publisher {
    /// Takes a page from the source. The first one that makes sense puts the mount on the air.
    ///
    /// # Errors
    /// When no decoder could make sense of the page where it stands.
    pub fn take(
        &mut self,
        page: &Page,
        now: Instant,
        mut chance: impl FnMut() -> u32,
    ) -> Result<(), Stray> {
        let mut writer = lock(&self.writer);
        let serial = page.serial();
        if self.serial == Some(serial) && writer.splice().has_ended(serial) {
            // Another uplink was faster. To others the same first page is the next stream: they
            // send a file again.
            return Ok(());
        }
        let is_his_first = !std::mem::replace(&mut self.has_begun, true);
        if is_his_first && writer.log().link().is_none() && writer.splice().begins_with(page) {
            // One before him went away within his headers. What begins now is no part of that.
            writer.end_link(now);
        }
        let is_sure = !page.is_ogg() || self.serial == Some(serial);
        let step = match is_sure {
            true => Step::GoOn(Vec::new()),
            false => self.returning.look(page, writer.splice()),
        };
        let (headers, begins) = match step {
            Step::Wait => return Ok(()),
            Step::GoOn(headers) => (headers, false),
            Step::Begin(headers) => (headers, true),
        };
        let (before, head) = (writer.splice().counts(), writer.log().head());
        if begins {
            writer.begin_again(now);
        }
        for page in headers.iter().chain([page]) {
            writer.take(page, now, &mut chance)?;
        }
        let (log, counts) = (Arc::clone(writer.log()), writer.splice().counts());
        drop(writer);
        let has_moved = log.head() > head;
        self.count(before, counts);
        let link_start = log.link().map(|_| log.link_start());
        let is_same = std::mem::replace(&mut self.link_start, link_start) == link_start;
        // What is left out, because it belongs to no stream here, is heard by nobody.
        let is_heard = link_start.is_some() && has_moved;
        if !is_heard || is_same && self.mount.is_on_air() {
            return Ok(());
        }
        // Until its headers came it was taken for what his own said.
        self.mount.set_facts(self.mount.facts());
        if !self.mount.is_on_air() {
            self.mount.set_on_air(OnAir::Since(Timestamp::now()));
        }
        self.desk.table.touch();
        Ok(())
    }

    /// Headers of his may wait for what follows, and another program goes on with him: that one
    /// would not know of them. They begin another stream.
    pub fn settle(&mut self, now: Instant, mut chance: impl FnMut() -> u32) {
        let headers = self.returning.take();
        if headers.is_empty() {
            return;
        }
        let mut writer = lock(&self.writer);
        writer.begin_again(now);
        for page in &headers {
            // They were whole when they came first.
            let _ = writer.take(page, now, &mut chance);
        }
    }
}
