//! Two upstreams, one of which is not honest, or not there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::*;
use crate::log::{Epoch, Keep};
use crate::mount::{Catalog, CatalogMount, Facts, MountPath, MountTable};
use crate::ogg::Page;
use crate::ogg::tests::opus;
use crate::outward::Server;
use crate::shutdown::Shutdown;

const EVERY: Duration = Duration::from_millis(50);
const N_PAGES: u32 = 60;
const DEADLINE: Duration = Duration::from_secs(20);

/// A node that has a page more every 50 ms.
struct Node {
    epoch: Epoch,
    trail: Vec<String>,
    pages: Vec<Page>,
    born: Instant,
    /// From then on it says nothing, and does not hang up, …
    dumb_after: Duration,
    /// … if its connection is one of so many.
    n_dumb: usize,
    n_asked: AtomicUsize,
    /// When it was asked for the mount first.
    asked: OnceLock<Instant>,
}

type Sound = Sender<Bytes, std::convert::Infallible>;

impl Node {
    fn new(trail: &[&str], pages: Vec<Page>, born: Instant) -> Self {
        Self {
            epoch: Epoch::new(7),
            trail: trail.iter().map(|node| (*node).to_owned()).collect(),
            pages,
            born,
            dumb_after: Duration::ZERO,
            n_dumb: 0,
            n_asked: AtomicUsize::new(0),
            asked: OnceLock::new(),
        }
    }

    async fn start(self) -> (Arc<Self>, Arc<Upstream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let node = Arc::new(self);
        let pages = Router::new()
            .route("/api/v1/catalog", get(catalog))
            .route("/live.ogg", get(mount))
            .with_state(Arc::clone(&node));
        Shutdown::new().spawn("node", async move {
            axum::serve(listener, pages).await.unwrap();
        });
        (
            node,
            Arc::new(Upstream::new(Server::at(&url), "relay", None)),
        )
    }

    fn is_dumb(&self, number: usize) -> bool {
        number < self.n_dumb && self.born.elapsed() > self.dumb_after
    }

    fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::Relaxed)
    }

    async fn list(self: Arc<Self>, mut lines: Sound) {
        loop {
            let catalog = Catalog {
                run: self.trail.last().unwrap().clone(),
                version: 1,
                reign: 0,
                trail: Some(self.trail.clone()),
                mounts: vec![CatalogMount {
                    path: live(),
                    is_on_air: true,
                    is_filled: false,
                    title: None,
                    title_url: None,
                    facts: Facts::default(),
                }],
                removed: Vec::new(),
            };
            let mut line = serde_json::to_vec(&catalog).unwrap();
            line.push(b'\n');
            if lines.send_data(line.into()).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn play(self: Arc<Self>, number: usize, from: u64, mut sound: Sound) {
        let mut offset = 0;
        for (n, page) in (0..).zip(&self.pages) {
            let at = offset;
            offset += page.len() as u64;
            if at < from {
                continue;
            }
            sleep((self.born + EVERY * n).saturating_duration_since(Instant::now())).await;
            if self.is_dumb(number) {
                return std::future::pending().await;
            }
            if sound.send_data(page.bytes().clone()).await.is_err() {
                return;
            }
        }
        // It neither ends nor goes on.
        std::future::pending::<()>().await;
    }
}

async fn catalog(State(node): State<Arc<Node>>) -> Response {
    let (sender, lines) = Channel::<Bytes, std::convert::Infallible>::new(4);
    Shutdown::new().spawn("list", node.list(sender));
    Body::new(lines).into_response()
}

async fn mount(State(node): State<Arc<Node>>, headers: HeaderMap) -> Response {
    let number = node.n_asked.fetch_add(1, Ordering::Relaxed);
    node.asked.get_or_init(Instant::now);
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
    let from: Option<u64> = from.and_then(|from| from.parse().ok());
    let status = match from {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let from = from.unwrap_or(0);
    let head = [
        ("etag", format!("\"{}\"", node.epoch)),
        ("stream-offset", from.to_string()),
        ("stream-prefix", "0".to_owned()),
    ];
    let (sender, sound) = Channel::<Bytes, std::convert::Infallible>::new(4);
    Shutdown::new().spawn("play", node.play(number, from, sender));
    (status, head, Body::new(sound)).into_response()
}

fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

/// The same pages with other sound in them.
fn forged(pages: &[Page]) -> Vec<Page> {
    let forge = |page: &Page| {
        if page.stamp().sequence < 2 {
            return page.clone();
        }
        let body: Vec<u8> = page.body().iter().map(|byte| byte ^ 1).collect();
        Page::build(page.stamp(), page.lacing(), &body)
    };
    pages.iter().map(forge).collect()
}

/// Follows them until all pages are there; returns the log from its beginning, and the longest
/// time without a page.
async fn follow(upstreams: Vec<Arc<Upstream>>, pages: &[Page]) -> (Vec<u8>, Duration) {
    let (table, shutdown) = (Arc::new(MountTable::new()), Shutdown::new());
    let mut upstreams = upstreams.into_iter();
    let follower = Follower::new(
        upstreams.next().unwrap(),
        Arc::clone(&table),
        Keep::default(),
        Duration::from_secs(60),
        shutdown.clone(),
    );
    let follower = upstreams.fold(follower, Follower::with_upstream);
    shutdown.spawn("follower", follower.run());
    let (start, mut newest, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut head = 0;
    while head < bytes(pages).len() as u64 {
        assert!(start.elapsed() < DEADLINE, "{head} bytes");
        sleep(Duration::from_millis(10)).await;
        longest = longest.max(newest.elapsed());
        let now = table.find(&live()).map_or(0, |mount| mount.log().head());
        if now != head {
            (head, newest) = (now, Instant::now());
        }
    }
    let mut pieces = Vec::new();
    let log = table.find(&live()).unwrap().log();
    log.read(0, usize::MAX, usize::MAX, &mut pieces).unwrap();
    shutdown.request();
    (pieces.concat(), longest)
}

fn bytes(pages: &[Page]) -> Vec<u8> {
    pages
        .iter()
        .flat_map(|page| page.bytes().to_vec())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_has_other_bytes_than_the_master_is_left_alone() {
    let pages = opus(1, N_PAGES);
    let born = Instant::now();
    // The liar is always a little earlier.
    let early = born.checked_sub(EVERY / 2).unwrap();
    let (_, master) = Node::new(&["master"], pages.clone(), born).start().await;
    let liar = Node::new(&["master", "liar"], forged(&pages), early);
    let (liar, upstream) = liar.start().await;
    let (log, _) = follow(vec![master, upstream], &pages).await;
    assert!(
        log == bytes(&pages),
        "{} of {} bytes",
        log.len(),
        bytes(&pages).len()
    );
    assert!(liar.n_asked() <= 2, "asked {} times", liar.n_asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_asked_when_pages_are_late_and_not_before() {
    let pages = opus(1, N_PAGES);
    let born = Instant::now();
    let mut master = Node::new(&["master"], pages.clone(), born);
    (master.dumb_after, master.n_dumb) = (Duration::from_millis(1_500), usize::MAX);
    let (_, master) = master.start().await;
    let sibling = Node::new(&["master", "sibling"], pages.clone(), born);
    let (sibling, upstream) = sibling.start().await;
    let upstream = Arc::into_inner(upstream).unwrap().on_standby();
    let upstreams = vec![master, Arc::new(upstream)];
    let (log, longest) = follow(upstreams, &pages).await;
    let asked = sibling.asked.get().unwrap().duration_since(born);
    assert!(
        asked > Duration::from_millis(1_500),
        "it was asked after {asked:?}, while nothing was amiss"
    );
    assert!(
        log == bytes(&pages),
        "{} of {} bytes",
        log.len(),
        bytes(&pages).len()
    );
    assert!(
        longest < Duration::from_millis(1_000),
        "{longest:?} without a page"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_3_s_without_a_page_a_second_connection_goes_on_at_the_offset() {
    let pages = opus(1, N_PAGES);
    let mut master = Node::new(&["master"], pages.clone(), Instant::now());
    (master.dumb_after, master.n_dumb) = (Duration::from_millis(1_500), 1);
    let (node, master) = master.start().await;
    let (log, longest) = follow(vec![master], &pages).await;
    assert!(
        log == bytes(&pages),
        "{} of {} bytes",
        log.len(),
        bytes(&pages).len()
    );
    let range = Duration::from_millis(2_900)..Duration::from_millis(3_900);
    assert!(range.contains(&longest), "{longest:?} without a page");
    assert_eq!(node.n_asked(), 2);
}
