//! The node that is followed: one address, one password, short deadlines.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use super::tally::Tally;
use super::trail::{STREAM_PATH, Trail};
use crate::mount::catalog::LINE_BYTES_MAX;
use crate::mount::{Catalog, MountPath};
use crate::outward::{Server, cause_beside_ca_file};
use crate::secret::Secret;

/// Before the path of a mount: its log with what its master knows of each page.
pub const RECORDED: &str = "/api/v1/log";

/// A connection is there within this time or not at all.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The head of an answer comes within this time after the connection.
const HEAD_MAX: Duration = Duration::from_secs(3);
/// Bytes that nobody acknowledges for this long mean that the way is broken.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// The node that is followed.
#[derive(Debug)]
pub struct Upstream {
    client: Client,
    tally: Arc<Tally>,
    user: String,
    password: Option<Secret>,
    is_standby: bool,
    may_rule: bool,
    is_recorded: bool,
}

impl Upstream {
    /// One at this address; `password` is that of its relays.
    pub fn new(server: Server<'_>, user: &str, password: Option<&Secret>) -> Self {
        Self {
            client: client(server),
            tally: Arc::new(Tally::new(server.url)),
            user: user.to_owned(),
            password: password.cloned(),
            is_standby: false,
            may_rule: true,
            is_recorded: false,
        }
    }

    /// Asks for logs with all that one needs to go on with them.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.is_recorded = true;
        self
    }

    /// Whether logs come so.
    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// A request for the log of a mount.
    pub(super) fn get_log(&self, path: &MountPath, trail: &Trail) -> RequestBuilder {
        if self.is_recorded {
            self.get(&format!("{RECORDED}{path}"), trail)
        } else {
            self.get(path.as_str(), trail)
        }
    }

    /// The list of mounts as it is now.
    ///
    /// # Errors
    /// Says in words why there is none to use.
    pub async fn catalog(&self, trail: &Trail) -> Result<Catalog, String> {
        let mut answer = ask(self.get("/api/v1/catalog", trail)).await?;
        let mut line = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
            if line.len() + chunk.len() > LINE_BYTES_MAX {
                return Err(format!("its list has more than {LINE_BYTES_MAX} bytes"));
            }
            line.extend_from_slice(&chunk);
        }
        Catalog::parse(&line)
    }

    /// One from which pages are fetched only while those before it bring none.
    #[must_use]
    pub fn on_standby(mut self) -> Self {
        self.is_standby = true;
        self
    }

    pub(super) fn is_standby(&self) -> bool {
        self.is_standby
    }

    /// One that cannot take over from the others: what it says of reigns and of mounts that were
    /// removed does not count, unless there is nobody else.
    #[must_use]
    pub fn not_ruling(mut self) -> Self {
        self.may_rule = false;
        self
    }

    pub(super) fn may_rule(&self) -> bool {
        self.may_rule
    }

    /// Its address, for the log.
    pub(super) fn url(&self) -> &str {
        self.tally.url()
    }

    /// What has come from it.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// A request for a path, with our password and our name.
    pub(super) fn get(&self, path: &str, trail: &Trail) -> RequestBuilder {
        let password = self.password.as_ref().map(Secret::expose);
        self.client
            .get(format!("{}{path}", self.url()))
            .basic_auth(&self.user, password)
            .header(STREAM_PATH, trail.own())
    }
}

/// A client for this server that follows no redirect (a password goes where the operator said,
/// nowhere else) and keeps no idle connection.
#[must_use]
pub fn client(server: Server<'_>) -> Client {
    Client::builder()
        .tls_backend_preconfigured(server.client_config())
        .https_only(server.is_tls())
        .connect_timeout(CONNECT_MAX)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .no_proxy()
        .user_agent(concat!("Plenum-relay/", env!("CARGO_PKG_VERSION")))
        .build()
        .expect("a client whose TLS is given to it cannot fail to build")
}

/// Sends a request and waits for the head of the answer.
///
/// # Errors
/// Says in words why there is no answer to use.
pub async fn ask(request: RequestBuilder) -> Result<Response, String> {
    let answer = match tokio::time::timeout(CONNECT_MAX + HEAD_MAX, request.send()).await {
        Err(_) => {
            return Err(format!(
                "no answer within {} s",
                (CONNECT_MAX + HEAD_MAX).as_secs()
            ));
        }
        Ok(Err(error)) => return Err(reason(&error)),
        Ok(Ok(answer)) => answer,
    };
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
        StatusCode::UNAUTHORIZED => {
            Err("it refuses our password: ask the master's operator for the right one".to_owned())
        }
        StatusCode::LOOP_DETECTED => Err("it follows us".to_owned()),
        status => Err(format!("it answers {status}")),
    }
}

/// What went wrong, not through how many layers it came.
#[must_use]
pub fn reason(error: &reqwest::Error) -> String {
    cause_beside_ca_file(error)
}
