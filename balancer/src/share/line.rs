//! The connection to Redis: what is asked there, within which time, and how much may come back.
//!
//! Two keys for all balancers of one name: `plenum:NAME:balancers`, a hash with the word of each, and
//! `plenum:NAME:changes`, a hash with the changes (`document`) and their digest (`revision`).

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisConnectionInfo, RedisError};
use stream::outward::{Duplex, dial, this_machine};
use stream::shutdown::Shutdown;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::metered::{Allowance, Metered};
use super::others::{BALANCERS_MAX, WORD_GONE};
use super::word::{WORD_BYTES_MAX, plain};
use crate::config::{ShareConfig, ShareUrl};
use crate::desk::keeping::CHANGES_BYTES_MAX;

/// To find it, connect and sign in.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// For each answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What comes while one signs in, and with what is no document.
const SHORT_BYTES_MAX: usize = 16 * 1024;
/// The words of all balancers, and what is between them.
const WORDS_BYTES_MAX: usize = BALANCERS_MAX * WORD_BYTES_MAX + SHORT_BYTES_MAX;
/// A document, and what is around it. Larger ones are not read.
const DOCUMENT_BYTES_MAX: usize = CHANGES_BYTES_MAX as usize + SHORT_BYTES_MAX;
const COMPLAINT_BYTES_MAX: usize = 200;

/// Writes the document only if it still is the one that was read.
const REPLACE: &str = "\
    if (redis.call('HGET', KEYS[1], 'revision') or '') ~= ARGV[1] then return 0 end \
    redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'document', ARGV[3]) \
    return 1";

/// The connection. It ends with this.
pub(super) struct Line {
    connection: MultiplexedConnection,
    allowance: Allowance,
    words: String,
    changes: String,
    _driver: DropGuard,
}

/// What all balancers say, and which changes there are.
pub(super) struct Said {
    /// By the run of the balancer.
    pub(super) words: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names the document that is there.
    pub(super) revision: Option<Vec<u8>>,
}

/// A document and its name.
pub(super) type Document = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Line {
    /// Connects and signs in.
    ///
    /// # Errors
    /// Says why not; never with the password.
    pub(super) async fn open(config: &ShareConfig, shutdown: &Shutdown) -> Result<Self, String> {
        let allowance = Allowance::default();
        allowance.set(SHORT_BYTES_MAX);
        let end = CancellationToken::new();
        let guard = end.clone().drop_guard();
        let (sender, receiver) = oneshot::channel();
        let driving = drive(config.clone(), allowance.clone(), sender);
        shutdown.spawn("share line", async move {
            end.run_until_cancelled(driving).await;
        });
        let connection = match timeout(CONNECT_MAX, receiver).await {
            Err(_) => return Err(format!("no answer within {} s", CONNECT_MAX.as_secs())),
            Ok(Err(_)) => return Err("the connection ended at once".to_owned()),
            Ok(Ok(opened)) => opened?,
        };
        Ok(Self {
            connection,
            allowance,
            words: format!("plenum:{}:balancers", config.name),
            changes: format!("plenum:{}:changes", config.name),
            _driver: guard,
        })
    }

    /// Says our word, takes those away that are gone, and reads what all say.
    pub(super) async fn exchange(
        &mut self,
        own: &str,
        word: &str,
        gone: &[String],
    ) -> Result<Said, String> {
        let mut asked = redis::pipe();
        asked
            .cmd("HSET")
            .arg(&self.words)
            .arg(own)
            .arg(word)
            .ignore();
        if !gone.is_empty() {
            asked.cmd("HDEL").arg(&self.words).arg(gone).ignore();
        }
        let life = u64::try_from(WORD_GONE.as_millis()).unwrap_or(u64::MAX);
        asked.cmd("PEXPIRE").arg(&self.words).arg(life).ignore();
        asked.cmd("HGETALL").arg(&self.words);
        asked.cmd("HGET").arg(&self.changes).arg("revision");
        self.allowance.set(WORDS_BYTES_MAX);
        let (words, revision) = within(asked.query_async(&mut self.connection)).await?;
        Ok(Said { words, revision })
    }

    /// The changes as they are there.
    pub(super) async fn document(&mut self) -> Result<Document, String> {
        let mut asked = redis::cmd("HMGET");
        asked.arg(&self.changes).arg(&["revision", "document"]);
        self.allowance.set(DOCUMENT_BYTES_MAX);
        within(asked.query_async(&mut self.connection)).await
    }

    /// Puts a document in the place of the one named `before`. `false`: another was there.
    pub(super) async fn replace(
        &mut self,
        before: &[u8],
        revision: &str,
        document: &str,
    ) -> Result<bool, String> {
        let mut asked = redis::cmd("EVAL");
        asked.arg(REPLACE).arg(1).arg(&self.changes);
        asked.arg(before).arg(revision).arg(document);
        self.allowance.set(SHORT_BYTES_MAX);
        let n_written: i64 = within(asked.query_async(&mut self.connection)).await?;
        Ok(n_written == 1)
    }

    /// Takes our word away.
    pub(super) async fn leave(&mut self, own: &str) {
        let mut asked = redis::cmd("HDEL");
        asked.arg(&self.words).arg(own);
        self.allowance.set(SHORT_BYTES_MAX);
        // If it does not work, the word grows old.
        let _: Result<i64, String> = within(asked.query_async(&mut self.connection)).await;
    }
}

/// An answer in time.
async fn within<T: FromRedisValue>(
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, String> {
    match timeout(ANSWER_MAX, answer).await {
        Ok(answered) => answered.map_err(|error| words(&error)),
        Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
    }
}

/// Opens the connection, hands it out, and carries what it says until nobody holds it any more.
async fn drive(
    config: ShareConfig,
    allowance: Allowance,
    opened: oneshot::Sender<Result<MultiplexedConnection, String>>,
) {
    let way = match way(&config.url).await {
        Ok(way) => way,
        Err(why) => {
            let _ = opened.send(Err(why));
            return;
        }
    };
    let login = login(&config);
    let metered = Metered::new(way, allowance);
    // It has a time of its own for each answer, which is to be ours.
    let rules = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_MAX));
    match MultiplexedConnection::new_with_config(&login, metered, rules).await {
        Ok((connection, driver)) => {
            if opened.send(Ok(connection)).is_ok() {
                driver.await;
            }
        }
        Err(error) => {
            let _ = opened.send(Err(words(&error)));
        }
    }
}

async fn way(url: &ShareUrl) -> Result<Box<dyn Duplex>, String> {
    match url {
        ShareUrl::Network {
            host,
            port,
            is_encrypted,
            ..
        } => dial(host, *port, is_encrypted.then(this_machine)).await,
        ShareUrl::Socket(path) => match UnixStream::connect(path).await {
            Ok(way) => Ok(Box::new(way)),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn login(config: &ShareConfig) -> RedisConnectionInfo {
    let database = match config.url {
        ShareUrl::Network { database, .. } => i64::from(database),
        ShareUrl::Socket(_) => 0,
    };
    let mut login = RedisConnectionInfo::default()
        .set_db(database)
        .set_skip_set_lib_name();
    if let Some(user) = &config.user {
        login = login.set_username(user);
    }
    if let Some(password) = &config.password {
        login = login.set_password(password.expose());
    }
    login
}

/// What Redis complains of, on one line.
fn words(error: &RedisError) -> String {
    plain(&error.to_string(), COMPLAINT_BYTES_MAX)
}
