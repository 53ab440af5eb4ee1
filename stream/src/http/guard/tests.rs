//! Many who wait for one who does not answer, and those who must not wait with them.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::shutdown::Shutdown;

/// More than wait for one mount's listeners.
const CROWD: usize = WAITING_MAX + 44;
/// Sooner than anybody gives up.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Who is asked: he says yes to all, or nothing.
async fn keeper(answers: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    Shutdown::new().spawn("keeper", async move {
        let mut asked = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            if answers {
                let yes = b"HTTP/1.1 200 OK\r\nicecast-auth-user: 1\r\nContent-Length: 0\r\n\r\n";
                socket.write_all(yes).await.unwrap();
            }
            asked.push(socket);
        }
    });
    url
}

fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

/// What becomes of a listener without a password.
async fn listen(guard: Arc<Guard>, mount: &'static str) -> Result<(), Verdict> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let text = format!("GET {mount} HTTP/1.1\r\n\r\n");
    let head = Head::parse(text.as_bytes()).unwrap().unwrap();
    socket.set_nonblocking(true).unwrap();
    let (caller, path) = (Caller::of(socket).unwrap(), path(mount));
    let let_in = guard.let_in(&head, caller, &path).await;
    let_in.map(drop).map_err(|refused| refused.verdict)
}

#[tokio::test]
async fn nobody_waits_behind_the_listeners_of_another_mount_and_no_source_behind_any() {
    let (dumb, quick) = (keeper(false).await, keeper(true).await);
    let text = [
        format!("path = \"/a\"\nlistener_auth_url = \"{dumb}\"\nsource_auth_url = \"{quick}\""),
        format!("path = \"/b\"\nlistener_auth_url = \"{quick}\""),
    ];
    let mounts = text.map(|text| toml::from_str::<MountSettings>(&text).unwrap());
    let guard = Arc::new(Guard::new(&mounts, None).unwrap());
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(listen(Arc::clone(&guard), "/a"));
    }
    // Those who find no place are told at once: by then all others wait.
    for _ in WAITING_MAX..CROWD {
        let told = timeout(AT_ONCE, crowd.join_next()).await.unwrap();
        assert_eq!(told.unwrap().unwrap(), Err(Verdict::Busy));
    }
    let applicant = Applicant {
        shown: Credentials::header("u", "p"),
        host: String::new(),
        from: None,
        errand: Errand::Publish,
    };
    let others = async {
        let others = (
            guard.knows(&applicant, &path("/a")).await,
            listen(Arc::clone(&guard), "/b").await,
            guard.knows(&applicant, &path("/c")).await,
        );
        assert_eq!(others, (Says::Yes, Ok(()), Says::No));
    };
    timeout(AT_ONCE, others).await.unwrap();
}
