//! What relays follow: the list of mounts, a line for each change and one a second besides.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use stream::mount::MountTable;
use stream::mount::catalog::{Catalog, HEARTBEAT};
use stream::shutdown::Shutdown;
use tokio::time::timeout;

/// Lines that wait for a relay to take them; then the master waits, for this relay only.
const LINES_QUEUED_MAX: usize = 4;

/// The catalog, and the name of this run of the master.
#[derive(Clone, Debug)]
pub(crate) struct Catalogs {
    pub(crate) table: Arc<MountTable>,
    pub(crate) run: String,
    pub(crate) shutdown: Shutdown,
}

/// A body that lasts as long as somebody follows it.
pub(crate) type Lines = Channel<Bytes, std::convert::Infallible>;

impl Catalogs {
    /// The catalog now, as one line.
    pub(crate) fn line(&self) -> Bytes {
        let catalog = Catalog::of(&self.table, &self.run);
        let mut line = serde_json::to_vec(&catalog).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }

    /// A line at once, one for every change, and one a second when nothing changes.
    pub(crate) fn follow(&self) -> Lines {
        let (sender, lines) = Channel::new(LINES_QUEUED_MAX);
        self.shutdown.spawn("catalog", self.clone().tell(sender));
        lines
    }

    async fn tell(self, mut sender: Sender<Bytes, std::convert::Infallible>) {
        let mut version = self.table.version();
        loop {
            version.borrow_and_update();
            if self.shutdown.freeze().has_left() {
                // The program after this one knows better.
                return;
            }
            let told = self
                .shutdown
                .unless_requested(sender.send_data(self.line()))
                .await;
            if !matches!(told, Some(Ok(()))) {
                return;
            }
            let next = timeout(HEARTBEAT, version.changed());
            if self.shutdown.unless_requested(next).await.is_none() {
                return;
            }
        }
    }
}
