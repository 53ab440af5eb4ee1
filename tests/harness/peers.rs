//! Other people's servers and source clients, set up to meet ours.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cluster::write_private;
use crate::configs::{RELAY_USER, SOURCE_USER};
use crate::http::Address;
use crate::ports;
use crate::programs::Program;

/// Where Debian's Icecast keeps its pages.
const WEB_ROOT: &str = "/usr/share/icecast2/web";
/// The page that tells a balancer how many more listeners a mount takes.
const LOAD_XSL: &str = include_str!("../../balancer/icecast/load.xsl");
/// Places beside those of listeners: for the mirrored mount, and for who asks for pages.
const N_VISITORS: u32 = 16;

/// Debian's Icecast.
#[derive(Debug)]
pub struct Icecast {
    /// The running server.
    pub program: Program,
    /// Where it listens.
    pub url: String,
}

impl Icecast {
    /// An Icecast that takes sources, and relays, with this password, not started yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(folder: &Path, source_password: &str) -> Result<Self> {
        Self::with(folder, source_password, "")
    }

    /// An Icecast that takes sources, with the settings that Debian ships as far as they show in its
    /// answers, a mount for sources that speak SHOUTcast, and one that nobody gets by its name; not
    /// started yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn as_debian_ships_it(
        folder: &Path,
        password: &str,
        (shoutcast, unnamed): (&str, &str),
    ) -> Result<Self> {
        let more = format!(
            "<limits><sources>50</sources></limits>\
             <shoutcast-mount>{shoutcast}</shoutcast-mount>\
             <http-headers><header name=\"Access-Control-Allow-Origin\" value=\"*\" />\
             </http-headers>\
             <mount type=\"normal\"><mount-name>{unnamed}</mount-name><no-mount>1</no-mount></mount>\
             <paths><alias source=\"/\" destination=\"/status.xsl\" /></paths>"
        );
        Self::with(folder, password, &more)
    }

    /// An Icecast that mirrors the mounts of a master, not started yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn slave(folder: &Path, master_url: &str, relay_password: &str) -> Result<Self> {
        let master = mirrored(master_url, relay_password)?;
        Self::with(folder, "unused-password", &master)
    }

    /// As [`Icecast::slave`], with so many places on the mount, and with `load.xsl` in its web
    /// root, as its operator would have put it there. Its administrator's password is
    /// `admin_password`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn limited(
        folder: &Path,
        (master_url, relay_password): (&str, &str),
        (mount, n_places): (&str, u32),
        admin_password: &str,
    ) -> Result<Self> {
        let web = folder.join("web");
        std::fs::create_dir_all(&web)?;
        for entry in std::fs::read_dir(WEB_ROOT)? {
            let entry = entry?;
            std::fs::copy(entry.path(), web.join(entry.file_name()))?;
        }
        std::fs::write(web.join("load.xsl"), LOAD_XSL)?;
        let master = mirrored(master_url, relay_password)?;
        let more = format!(
            "{master}<mount type=\"normal\"><mount-name>{mount}</mount-name>\
             <max-listeners>{n_places}</max-listeners></mount>"
        );
        Self::with_limits(folder, admin_password, &more, n_places + N_VISITORS, &web)
    }

    fn with(folder: &Path, source_password: &str, more: &str) -> Result<Self> {
        let web = Path::new(WEB_ROOT);
        Self::with_limits(folder, source_password, more, 50, web)
    }

    fn with_limits(
        folder: &Path,
        source_password: &str,
        more: &str,
        n_clients: u32,
        web: &Path,
    ) -> Result<Self> {
        let port = ports::free()?;
        let log = folder.join("icecast");
        std::fs::create_dir_all(&log)?;
        // Icecast refuses to run as root and changes to another user, who must get in here.
        for path in [folder, &log] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
        }
        let config = folder.join("icecast.xml");
        std::fs::write(
            &config,
            format!(
                "<icecast><hostname>127.0.0.1</hostname>\
                 <limits><clients>{n_clients}</clients><sources>5</sources>\
                 <source-timeout>10</source-timeout></limits>\
                 <authentication><source-password>{source_password}</source-password>\
                 <relay-password>{source_password}</relay-password>\
                 <admin-user>admin</admin-user>\
                 <admin-password>{source_password}</admin-password></authentication>\
                 <listen-socket><port>{port}</port>\
                 <bind-address>127.0.0.1</bind-address></listen-socket>{more}\
                 {}</icecast>",
                paths_and_logs(&log, web)
            ),
        )?;
        let config = config.display().to_string();
        Ok(Self {
            program: Program::new("icecast", "icecast2", folder).arguments(["-c", &config]),
            url: format!("http://127.0.0.1:{port}"),
        })
    }
}

/// How an Icecast says whose mounts it mirrors.
fn mirrored(master_url: &str, relay_password: &str) -> Result<String> {
    let address = Address::parse(master_url)?;
    let (host, port) = address.authority.rsplit_once(':').context("has a port")?;
    Ok(format!(
        "<master-server>{host}</master-server>\
         <master-server-port>{port}</master-server-port>\
         <master-update-interval>2</master-update-interval>\
         <master-username>{RELAY_USER}</master-username>\
         <master-password>{relay_password}</master-password>"
    ))
}

/// Debian's Icecast with the limits that it is shipped with, on all addresses of where it will
/// run, not started yet. With a `master` (host and port) it mirrors that one.
///
/// # Errors
/// When the folder cannot be written.
pub fn icecast_as_shipped(
    folder: &Path,
    port: u16,
    source_password: &str,
    relay_password: &str,
    master: Option<(&str, u16)>,
) -> Result<Program> {
    let mirrored = master.map(|(host, port)| {
        format!(
            "<master-server>{host}</master-server><master-server-port>{port}</master-server-port>\
             <master-password>{relay_password}</master-password>"
        )
    });
    let log = folder.join("icecast");
    std::fs::create_dir_all(&log)?;
    for path in [folder, &log] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    }
    let config = folder.join("icecast.xml");
    std::fs::write(
        &config,
        format!(
            "<icecast><hostname>localhost</hostname>\
             <limits><clients>100</clients><sources>2</sources>\
             <queue-size>524288</queue-size><client-timeout>30</client-timeout>\
             <header-timeout>15</header-timeout><source-timeout>10</source-timeout>\
             <burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size></limits>\
             <authentication><source-password>{source_password}</source-password>\
             <relay-password>{relay_password}</relay-password>\
             <admin-user>admin</admin-user>\
             <admin-password>{source_password}</admin-password></authentication>\
             <listen-socket><port>{port}</port></listen-socket>{}\
             {}</icecast>",
            mirrored.unwrap_or_default(),
            paths_and_logs(&log, Path::new(WEB_ROOT))
        ),
    )?;
    let config = config.display().to_string();
    Ok(Program::new("icecast", "icecast2", folder).arguments(["-c", &config]))
}

/// Where Debian's Icecast finds its files, where it logs, and whom it becomes.
fn paths_and_logs(log: &Path, web: &Path) -> String {
    let owner = if rustix::process::geteuid().is_root() {
        "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
    } else {
        ""
    };
    format!(
        "<fileserve>1</fileserve>\
         <paths><basedir>/usr/share/icecast2</basedir><logdir>{}</logdir>\
         <webroot>{}</webroot>\
         <adminroot>/usr/share/icecast2/admin</adminroot></paths>\
         <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog>\
         <loglevel>3</loglevel></logging>\
         <security><chroot>0</chroot>{owner}</security>",
        log.display(),
        web.display(),
    )
}

/// ezstream (libshout), sending an Ogg file in a loop, not started yet.
///
/// # Errors
/// When the folder cannot be written or the URL is wrong.
pub fn ezstream(folder: &Path, file: &Path, url: &str, password: &str) -> Result<Program> {
    ezstream_of(folder, file, url, password, "Ogg")
}

/// ezstream, sending a file of this format in a loop, not started yet.
///
/// # Errors
/// As [`ezstream`].
pub fn ezstream_of(
    folder: &Path,
    file: &Path,
    url: &str,
    password: &str,
    format: &str,
) -> Result<Program> {
    let address = Address::parse(url)?;
    let (host, port) = address.authority.rsplit_once(':').context("has a port")?;
    let config = folder.join("ezstream.xml");
    write_private(
        &config,
        &format!(
            "<ezstream><servers><server><name>default</name><protocol>HTTP</protocol>\
             <hostname>{host}</hostname><port>{port}</port><user>{SOURCE_USER}</user>\
             <password>{password}</password><tls>none</tls>\
             <reconnect_attempts>3</reconnect_attempts></server></servers>\
             <streams><stream><name>default</name><mountpoint>{}</mountpoint>\
             <format>{format}</format><stream_name>ezstream</stream_name></stream></streams>\
             <intakes><intake><name>default</name><type>file</type>\
             <filename>{}</filename></intake></intakes></ezstream>",
            address.path,
            file.display()
        ),
    )?;
    let config = config.display().to_string();
    Ok(Program::new("ezstream", "ezstream", folder).arguments(["-v", "-c", &config]))
}

/// How ffmpeg introduces itself to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `PUT`, as newer clients do.
    Put,
    /// `PUT`, through TLS; whatever certificate the server shows.
    PutTls,
    /// `SOURCE`, as clients did for twenty years.
    Source,
}

/// ffmpeg, encoding a file at the speed of time and sending it, not started yet.
///
/// # Errors
/// When the URL is wrong.
pub fn ffmpeg(
    folder: &Path,
    file: &Path,
    url: &str,
    password: &str,
    method: Method,
) -> Result<Program> {
    let Address { authority, path } = Address::parse(url)?;
    let target = format!("icecast://{SOURCE_USER}:{password}@{authority}{path}");
    let legacy = if method == Method::Source { "1" } else { "0" };
    let tls = if method == Method::PutTls { "1" } else { "0" };
    let file: PathBuf = file.to_owned();
    Ok(Program::new("ffmpeg", "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "info", "-re", "-stream_loop", "-1"])
        .arguments(["-i".to_owned(), file.display().to_string()])
        .arguments([
            "-c:a",
            "libvorbis",
            "-b:a",
            "96k",
            "-page_duration",
            "200000",
        ])
        .arguments([
            "-legacy_icecast",
            legacy,
            "-tls",
            tls,
            "-content_type",
            "application/ogg",
        ])
        .arguments(["-f", "ogg", &target]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ear::Ear;
    use crate::speech;
    use crate::wait::eventually;

    const PEERS_MAX: Duration = Duration::from_secs(20);

    /// If peers do not understand each other, what they make of us says nothing.
    #[test]
    fn the_peers_understand_each_other() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let password = "a-password-for-icecast";
        let mut icecast = Icecast::new(folder.path(), password)?;
        icecast.program.start()?;
        let address = Address::parse(&icecast.url)?;
        eventually(PEERS_MAX, "Icecast answers", || address.connect())
            .with_context(|| icecast.program.story())?;
        let url = |mount: &str| format!("{}{mount}", icecast.url);
        let (wav, ogg) = (speech::sitting()?, speech::sitting_ogg()?);
        let mut clients = [
            ezstream(folder.path(), &ogg, &url("/e.ogg"), password)?,
            ffmpeg(folder.path(), &wav, &url("/p.ogg"), password, Method::Put)?,
            ffmpeg(
                folder.path(),
                &wav,
                &url("/s.ogg"),
                password,
                Method::Source,
            )?,
        ];
        for (client, mount) in clients.iter_mut().zip(["/e.ogg", "/p.ogg", "/s.ogg"]) {
            client.start()?;
            let what = format!("{mount} plays");
            let ear = eventually(PEERS_MAX, &what, || Ear::listen(&url(mount)))
                .with_context(|| client.story())?;
            ear.wait_for_samples(48_000, PEERS_MAX)
                .with_context(|| client.story())?;
        }
        Ok(())
    }
}
