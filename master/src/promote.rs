//! `plenum-master promote`: tells a standby that runs to become the master.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use stream::config::{EXIT_CONFIG, check_base_url};
use stream::follow::upstream::{client, reason};
use stream::outward::Server;
use stream::secret::Secret;
use tracing::{error, info};

use crate::config::Config;

/// A standby answers within this time: it first lets go of the other master.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Which standby, and how to show that one may.
#[derive(Debug, Args)]
pub struct Promote {
    /// The standby's settings: its address and the password of [admin] are taken from there
    /// [default: /etc/plenum/master.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The standby's address, if it is not on this machine
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The user of its [admin], with --password-file
    #[arg(
        long,
        value_name = "NAME",
        default_value = "admin",
        requires = "password_file"
    )]
    user: String,
    /// A file with nothing but the password of its [admin]; then no settings are read
    #[arg(long, value_name = "FILE", requires = "url")]
    password_file: Option<PathBuf>,
    /// Even while the other master is there: it must not be heard any more from then on
    #[arg(long)]
    force: bool,
}

/// What is asked, and with which password.
struct Request {
    url: String,
    user: String,
    password: Secret,
}

impl Promote {
    /// Asks, and says how it went.
    pub async fn run(self) -> ExitCode {
        let request = match self.request() {
            Ok(request) => request,
            Err(complaint) => {
                error!("{complaint}");
                return EXIT_CONFIG.into();
            }
        };
        match request.send(self.force).await {
            Ok(answer) => {
                info!("{} is the master now: {answer}", request.url);
                ExitCode::SUCCESS
            }
            Err(why) => {
                error!("{} was not promoted: {why}", request.url);
                ExitCode::FAILURE
            }
        }
    }

    fn request(&self) -> Result<Request, String> {
        if let (Some(file), Some(url)) = (&self.password_file, &self.url) {
            check_base_url("--url", url).map_err(|error| error.to_string())?;
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            return Ok(Request {
                url: url.clone(),
                user: self.user.clone(),
                password: Secret::given(text.trim()),
            });
        }
        let file = self
            .config
            .clone()
            .or_else(|| stream::config::default_file("master"));
        let config = Config::load(file.as_deref()).map_err(|error| error.to_string())?;
        let admin = config.operator().cloned().ok_or(
            "there is no [admin] in the settings, so nobody may promote: add one with a \
             `password` and restart the standby",
        )?;
        let url = self.url.clone();
        Ok(Request {
            url: url
                .unwrap_or_else(|| format!("http://{}", on_this_machine(config.listen.first()))),
            user: admin.user,
            password: admin.password,
        })
    }
}

impl Request {
    async fn send(&self, is_forced: bool) -> Result<String, String> {
        let query = if is_forced { "?force" } else { "" };
        let answer = client(Server::at(&self.url))
            .post(format!("{}/api/v1/promote{query}", self.url))
            .basic_auth(&self.user, Some(self.password.expose()))
            .timeout(ANSWER_MAX)
            .send()
            .await
            .map_err(|error| reason(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| reason(&error))?;
        let text = text.trim().to_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(format!("it answers {status}: {text:.300}"))
        }
    }
}

/// Where a program that listens there is found from this machine.
fn on_this_machine(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

#[cfg(test)]
mod tests {
    use super::on_this_machine;

    #[test]
    fn who_listens_everywhere_is_found_here() {
        for (listen, found) in [
            ("0.0.0.0:8000", "127.0.0.1:8000"),
            ("[::]:8000", "[::1]:8000"),
            ("192.0.2.7:8000", "192.0.2.7:8000"),
        ] {
            let found_now = on_this_machine(listen.parse().unwrap());
            assert_eq!(found_now.to_string(), found);
        }
    }
}
