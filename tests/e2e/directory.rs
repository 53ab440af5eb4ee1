//! A directory of stations is told of what is on air, in the words in which Icecast tells it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::http::icecast::fields::Fields;
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::SOURCE_USER;
use tests::programs::Program;
use tests::wait::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that takes everything, and what it was told.
#[derive(Clone, Default)]
struct Directory(Arc<Mutex<Vec<String>>>);

impl Directory {
    fn open() -> Result<(Self, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/cgi-bin/yp-cgi", listener.local_addr()?);
        let directory = Self::default();
        let told = directory.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let _ = told.answer(socket);
            }
        });
        Ok((directory, url))
    }

    fn answer(&self, mut socket: TcpStream) -> Result<()> {
        let mut reader = BufReader::new(socket.try_clone()?);
        let mut n_bytes = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(length) = line.strip_prefix("content-length:") {
                n_bytes = length.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut form = vec![0; n_bytes];
        reader.read_exact(&mut form)?;
        let form = String::from_utf8(form)?;
        let words = if form.starts_with("action=add") {
            "SID: number 7\r\nTouchFreq: 30\r\n"
        } else {
            ""
        };
        self.told().push(form);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nYPResponse: 1\r\n{words}Content-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        Ok(socket.write_all(answer.as_bytes())?)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first form of this action, and gives one of its fields by name.
    fn wait_for(&self, action: &str) -> Result<impl Fn(&str) -> String + use<>> {
        let start = format!("action={action}&");
        let find = || {
            self.told()
                .iter()
                .find(|form| form.starts_with(&start))
                .cloned()
        };
        until(PATIENCE, action, || find().is_some())?;
        let form = find().context("it was there")?;
        let fields = Fields::parse(form.as_bytes());
        Ok(move |name: &str| fields.text(name).unwrap_or_else(|| "none".to_owned()))
    }
}

fn source(cluster: &Cluster, mount: &str, is_public: &str) -> Result<Program> {
    let (port, password) = (cluster.ports().master, &cluster.secrets().source);
    let to = format!("icecast://{SOURCE_USER}:{password}@127.0.0.1:{port}{mount}");
    let name = format!("ffmpeg{}", mount.replace('/', "-"));
    let mut ffmpeg = Program::new(&name, "ffmpeg", cluster.folder())
        .arguments(["-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi"])
        .arguments(["-i", "sine", "-c:a", "libvorbis", "-b:a", "64k"])
        .arguments(["-ice_name", "One & Two", "-ice_genre", "speech"])
        .arguments(["-ice_public", is_public])
        .arguments(["-content_type", "application/ogg", "-f", "ogg", &to]);
    ffmpeg.start()?;
    Ok(ffmpeg)
}

#[test]
fn a_public_mount_is_added_touched_and_removed_and_no_other_one_is() -> Result<()> {
    let (directory, url) = Directory::open()?;
    let mounts = "[{ path = \"/hidden.ogg\", hidden = true }]";
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?
        .with_variable(Role::Master, "PLENUM_MASTER__DIRECTORY__URL", &url)
        .with_variable(Role::Master, "PLENUM_MASTER__MOUNT", mounts);
    cluster.start_program(Role::Master)?;
    let _others = [
        source(&cluster, "/hidden.ogg", "1")?,
        source(&cluster, "/private.ogg", "0")?,
    ];
    let mut public = source(&cluster, "/public.ogg", "1")?;
    let add = directory.wait_for("add").with_context(|| cluster.story())?;
    let listenurl = format!("{}/public.ogg", cluster.ports().master_url());
    ensure!(add("listenurl") == listenurl && add("sn") == "One & Two");
    ensure!(add("genre") == "speech" && add("type") == "application/ogg");
    ensure!(add("stype") == "Vorbis", "{:?}", directory.told());
    let touch = directory.wait_for("touch")?;
    ensure!(touch("sid") == "number 7" && touch("listeners") == "0");
    ensure!(touch("max_listeners") == "1000", "{:?}", directory.told());
    public.kill()?;
    let remove = directory.wait_for("remove")?;
    ensure!(remove("sid") == "number 7");
    let told = directory.told();
    let n_added = told.iter().filter(|form| form.starts_with("action=add"));
    ensure!(n_added.count() == 1, "{told:?}");
    Ok(())
}
