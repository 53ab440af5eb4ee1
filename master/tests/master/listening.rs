//! Players, and scripts of web pages.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::stage::{
    ADMIN, PATIENCE, SOURCE, Stage, basic, connect, frames, read_head, read_to_end, until,
};

const RELAY: &str = "password of relays";
const HASH: &str = "carl:5f4dcc3b5aa765d61d8327deb882cf99\n";

fn htpasswd(folder: &Path) -> String {
    let file = folder.join("listeners");
    std::fs::write(&file, HASH).unwrap();
    file.display().to_string()
}

#[test]
fn at_every_address_the_same_is_heard() {
    let stage = Stage::start_at_all(&["127.0.0.1:0", "127.0.0.1:0", "127.0.0.2:0"], "", "");
    let at = |n: usize, request: &str| {
        let mut socket = connect(stage.addresses[n]);
        socket.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut socket);
        (socket, head)
    };
    let shown = basic(b"source:", SOURCE.as_bytes());
    let put = format!("SOURCE /live.mp3 HTTP/1.0\r\nContent-Type: audio/mpeg\r\n{shown}\r\n\r\n");
    let (mut source, head) = at(1, &put);
    assert!(head.contains(" 200 "), "{head}");
    source.write_all(&frames(100)).unwrap();
    for n in [0, 1, 2] {
        until("it is heard", || {
            let (_, head) = at(n, "GET /live.mp3 HTTP/1.0\r\n\r\n");
            head.contains(" 200 ")
        });
    }
    // All of them together, and more than are taken at once from one.
    let crowd: Vec<_> = (0..400).map(|n| connect(stage.addresses[n % 3])).collect();
    for mut caller in crowd {
        caller.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
        assert!(read_to_end(&mut caller).ends_with("ok\n"));
    }
}

#[test]
fn a_script_on_another_site_may_ask_with_titles_and_a_password_whatever_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = htpasswd(folder.path());
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/locked.mp3\"\nhtpasswd = \"{file}\""
    ));
    let _sources = [stage.source("/live.mp3"), locked(&stage)];
    for path in ["/live.mp3", "/locked.mp3", "/nowhere.mp3"] {
        let answer = stage.ask(&format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: a\r\nOrigin: https://radio.example\r\n\
             Access-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: icy-metadata, authorization\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 204 "), "{path}: {answer}");
        for line in [
            "Access-Control-Allow-Origin: *\r\n",
            "Access-Control-Allow-Headers: Authorization, Icy-MetaData, If-Range, Range\r\n",
        ] {
            assert!(answer.contains(line), "{path}: {line} is missing: {answer}");
        }
    }
    let refused = stage.get("/locked.mp3");
    assert!(refused.starts_with("HTTP/1.0 401 "), "{refused}");
    assert!(
        refused.contains("Access-Control-Allow-Origin: *\r\n"),
        "{refused}"
    );
    let page = stage.get("/admin/stats");
    assert!(page.starts_with("HTTP/1.0 401 "), "{page}");
    assert!(!page.to_lowercase().contains("access-control"), "{page}");
}

/// A source where nobody may listen without a password.
fn locked(stage: &Stage) -> TcpStream {
    let shown = basic(b"source:", SOURCE.as_bytes());
    stage.publish("/locked.mp3", shown.as_bytes()).0
}

#[test]
fn a_playlist_leads_to_what_was_asked_for_also_by_a_second_name_or_while_another_stands_in() {
    let stage = Stage::start(
        "public_url = \"http://radio.example\"\n[[mount]]\npath = \"/away.mp3\"\n\
         fallback = \"/music.mp3\"\n[[alias]]\npath = \"/radio\"\nto = \"/music.mp3\"",
    );
    let _source = stage.source("/music.mp3");
    until("another stands in", || {
        stage.listen("/away.mp3").1.contains(" 200 ")
    });
    for path in ["/music.mp3", "/radio", "/away.mp3"] {
        for ending in [".m3u", ".pls", ".xspf", ".vclt"] {
            let answer = stage.get(&format!("{path}{ending}"));
            assert!(
                answer.starts_with("HTTP/1.0 200 "),
                "{path}{ending}: {answer}"
            );
            let link = format!("http://radio.example{path}");
            assert!(answer.contains(&link), "{path}{ending}: {answer}");
        }
    }
    assert!(stage.get("/nowhere.m3u").starts_with("HTTP/1.0 404 "));
}

#[test]
fn a_listener_begins_as_far_back_as_he_asks_for_and_the_operator_allows() {
    let stage = Stage::start("burst_seconds = 0.8\nburst_seconds_max = 1.6");
    let mut source = stage.source("/live.mp3");
    // A burst is counted by when pages came.
    for _ in 0..14 {
        std::thread::sleep(Duration::from_millis(200));
        source.write_all(&frames(8)).unwrap();
    }
    let offset = |query: &str| -> u64 {
        let (_, head) = stage.listen(&format!("/live.mp3{query}"));
        let mut lines = head.lines();
        let line = lines.find_map(|line| line.strip_prefix("Stream-Offset: "));
        line.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
    };
    let (own, none) = (offset(""), offset("?burst=0"));
    let (half, most) = (offset("?burst=0.4"), offset("?burst=50"));
    assert!(
        none > half && half > own && own > most,
        "{none} {half} {own} {most}"
    );
    assert!(most > 0);
    // The last page may have come only now.
    until("nonsense is no wish", || {
        offset("?burst=nonsense") == offset("")
    });
}

#[test]
fn what_is_free_is_what_the_mount_and_the_server_still_take() {
    let stage =
        Stage::start("[slots]\nlisteners = 10\n[[mount]]\npath = \"/few.mp3\"\nmax_listeners = 2");
    let _sources = [stage.source("/few.mp3"), stage.source("/open.mp3")];
    let (_listener, _) = stage.listen("/few.mp3");
    until("one listens", || {
        let page = stage.get("/load.xsl");
        page.contains("<mount name=\"/few.mp3\">1</mount><mount name=\"/open.mp3\">9</mount>")
    });
    let seven = stage.get("/7.xsl?mount=/few.mp3");
    assert!(seven.contains("<body>1,1,"), "{seven}");
    assert!(seven.contains(",2,1,0,</body>"), "{seven}");
    let stats = stage.order("GET", "/admin/stats.xsl?mount=/few.mp3");
    assert!(
        stats.contains("<max_listeners>2</max_listeners>"),
        "{stats}"
    );
}

#[test]
fn on_ipv6_and_ipv4_alike_everybody_listens_but_who_may_not() {
    let gate = "[access]\ndeny = [\"127.0.0.2\"]\n";
    let mut stage = Stage::start_at("[::]:0", gate, "");
    let port = stage.address.port();
    stage.address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut source = stage.source("/live.mp3");
    let (mut listener, head) = stage.listen("/live.mp3");
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    source.write_all(&frames(20)).unwrap();
    let mut heard = [0; 20 * 417];
    listener.read_exact(&mut heard).unwrap();
    assert_eq!(heard, frames(20).as_slice());
    for (own, may) in [([127, 0, 0, 2], false), ([127, 0, 0, 3], true)] {
        let mut socket = connect_from(own.into(), stage.address);
        let _ = socket.write_all(b"GET /health HTTP/1.0\r\n\r\n");
        assert_eq!(read_to_end(&mut socket).contains(" 200 OK"), may, "{own:?}");
    }
}

/// A connection that begins at this address of the machine.
fn connect_from(own: IpAddr, to: SocketAddr) -> TcpStream {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build().unwrap();
    let socket = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(own, 0)).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn who_watches_from_one_place_too_often_keeps_out_nobody_from_elsewhere() {
    const ONE_MAX: usize = 256;
    let stage = Stage::start("");
    let _source = stage.source("/live.mp3");
    let watch = || stage.listen("/api/v1/events");
    let watchers: Vec<_> = (0..ONE_MAX).map(|_| watch()).collect();
    assert!(watchers.iter().all(|(_, head)| head.contains(" 200 ")));
    let refused = watch().1;
    assert!(
        refused.contains(" 503 ") && refused.contains("\r\nRetry-After: 5\r\n"),
        "{refused}"
    );
    let mut other = connect_from([127, 0, 0, 2].into(), stage.address);
    other
        .write_all(b"GET /api/v1/events HTTP/1.0\r\n\r\n")
        .unwrap();
    assert!(read_head(&mut other).contains(" 200 "));
    drop(watchers);
    // That they have gone shows when there is news.
    let mut n_told = 0;
    until("their places are free", || {
        n_told += 1;
        let title = format!("/admin/metadata?mount=/live.mp3&mode=updinfo&song={n_told}");
        stage.order("POST", &title);
        watch().1.contains(" 200 ")
    });
}

#[test]
fn a_page_with_many_visitors_shows_each_title_to_all_of_them() {
    const VISITORS: usize = 100;
    let stage = Stage::start("");
    let _source = stage.source("/live.mp3");
    let visitors: Vec<TcpStream> = (0..VISITORS)
        .map(|_| stage.listen("/api/v1/events"))
        .inspect(|(_, head)| assert!(head.starts_with("HTTP/1.0 200 "), "{head}"))
        .map(|(socket, _)| socket)
        .collect();
    stage.order(
        "POST",
        "/admin/metadata?mount=/live.mp3&mode=updinfo&song=Now",
    );
    for mut socket in visitors {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("\"title\":\"Now\"") {
            let mut part = [0; 4096];
            let n_bytes = socket.read(&mut part).unwrap();
            assert!(n_bytes > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&part[..n_bytes]);
        }
    }
}

#[test]
fn behind_a_trusted_proxy_with_tls_links_lead_back_through_it() {
    let link = |gate: &str| {
        let stage = Stage::start(gate);
        let _source = stage.source("/live.mp3");
        stage.ask(
            "GET /live.mp3.m3u HTTP/1.0\r\nHost: radio.example\r\nX-Forwarded-Proto: https\r\n\r\n",
        )
    };
    let trusted = link("[access]\ntrusted_proxies = [\"127.0.0.1\"]");
    assert!(
        trusted.ends_with("https://radio.example/live.mp3\r\n"),
        "{trusted}"
    );
    let stepping_down = "public_url = \"http://other.example\"\n[access]\n\
                         trusted_proxies = [\"127.0.0.1\"]";
    assert!(link(stepping_down).ends_with("https://radio.example/live.mp3\r\n"));
    let stranger = link("");
    assert!(
        stranger.ends_with("\nhttp://radio.example/live.mp3\r\n"),
        "{stranger}"
    );
    let stage = Stage::start("[access]\ntrusted_proxies = [\"127.0.0.1\"]");
    let _source = stage.source("/live.mp3");
    let shown = basic(b"admin:", ADMIN.as_bytes());
    let built = stage.ask(&format!(
        "GET /admin/buildm3u?mount=/live.mp3&username=u&password=p HTTP/1.0\r\n\
         Host: radio.example\r\nX-Forwarded-Proto: https\r\n{shown}\r\n\r\n"
    ));
    assert!(
        built.ends_with("\nhttps://u:p@radio.example/live.mp3\r\n"),
        "{built}"
    );
}

#[test]
fn who_finds_a_mount_full_gets_its_fallback_where_the_operator_wants_it() {
    let full = |path: &str| {
        format!("[[mount]]\npath = \"{path}\"\nmax_listeners = 1\nfallback = \"/more.mp3\"\n")
    };
    let stage = Stage::start(&format!(
        "[relay]\npassword = \"{RELAY}\"\n{}fallback_when_full = true\n{}[[mount]]\npath = \"/more.mp3\"\nname = \"More\"\n\
         max_listeners = 1",
        full("/open.mp3"),
        full("/shut.mp3")
    ));
    let [mut more, _open, _shut] =
        ["/more.mp3", "/open.mp3", "/shut.mp3"].map(|path| stage.source(path));
    let at_more = "\r\nicy-name: More\r\n";
    let hears = |path: &str, is_more: bool| {
        let mut listener = None;
        until(&format!("{path}: {is_more}"), || {
            let (socket, head) = stage.listen(path);
            let is_so = head.contains(" 200 ") && head.contains(at_more) == is_more;
            listener = is_so.then_some(socket);
            is_so
        });
        listener
    };
    // Those who looked whether it is on air have to be gone first.
    for path in ["/more.mp3", "/open.mp3", "/shut.mp3"] {
        until("it is heard, and by nobody", || {
            let page = stage.get(&format!("/7.xsl?mount={path}"));
            page.contains("<body>0,1,")
        });
    }
    let _first = hears("/open.mp3", false);
    let _own = hears("/shut.mp3", false);
    assert!(stage.listen("/shut.mp3").1.contains(" 403 "));
    let mut second = hears("/open.mp3", true).unwrap();
    // The fallback is full, too.
    assert!(stage.listen("/open.mp3").1.contains(" 403 "));
    // A relay gets what it asked for.
    let mut relay = stage.connect();
    let shown = basic(b"relay:", RELAY.as_bytes());
    let request = format!("GET /open.mp3 HTTP/1.0\r\n{shown}\r\n\r\n");
    relay.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut relay);
    assert!(head.contains(" 200 ") && !head.contains(at_more), "{head}");
    // He stays there: this sound comes on no other mount.
    for _ in 0..2 {
        let mut marked = frames(6);
        marked
            .chunks_exact_mut(417)
            .for_each(|frame| frame[416] = 7);
        more.write_all(&marked).unwrap();
        let mut heard = [0; 417];
        while heard[416] != 7 {
            second.read_exact(&mut heard).unwrap();
        }
    }
    // Where the fallback is silent nobody is led there.
    drop((more, second));
    until("its source has gone, and its listener", || {
        let page = stage.get("/api/v1/status");
        let status: Value = serde_json::from_str(page.split_once("\r\n\r\n").unwrap().1).unwrap();
        let mounts = status["mounts"].as_array().unwrap();
        let mount = mounts
            .iter()
            .find(|mount| mount["path"] == "/more.mp3")
            .unwrap();
        mount["is_on_air"] == false && mount["listeners"] == 0
    });
    assert!(stage.listen("/open.mp3").1.contains(" 403 "));
}
