//! Scripts of operators.

use std::io::Write;

use crate::stage::{ADMIN, SOURCE, Stage, basic, frames, read_head, read_to_end, until};

#[test]
fn commands_are_understood_with_the_ending_of_icecasts_web_pages() {
    let stage = Stage::start("");
    let _source = stage.source("/live.mp3");
    let (mut listener, _) = stage.listen("/live.mp3");
    let list = stage.order("GET", "/admin/listclients.xsl?mount=/live.mp3");
    assert!(list.contains("<listener>"), "{list}");
    let id = list.split("<ID>").nth(1).unwrap_or_default();
    let id = id.split('<').next().unwrap_or_default().to_owned();
    let ended = stage.order(
        "POST",
        &format!("/admin/killclient.xsl?mount=/live.mp3&id={id}"),
    );
    assert!(ended.contains(&format!("Client {id} removed")), "{ended}");
    read_to_end(&mut listener);
    let page = stage.order("GET", "/admin/updatemetadata.xsl?mount=/live.mp3");
    assert!(
        page.contains("<icestats><source mount=\"/live.mp3\""),
        "{page}"
    );
    let set = "/admin/metadata.xsl?mount=/live.mp3&mode=updinfo&song=A";
    assert!(stage.order("POST", set).contains("<return>1</return>"));
    assert!(stage.order("GET", "/admin/nonsense.xsl").contains(" 400 "));
}

#[test]
fn methods_that_are_none_are_refused_and_doubled_returns_are_read() {
    let stage = Stage::start("");
    for page in ["/admin/stats", "/admin/", "/admin/listmounts?mount=/x"] {
        for method in ["DELETE", "PATCH", "TRACE", "FOO"] {
            let answer = stage.order(method, page);
            assert!(answer.starts_with("HTTP/1.0 405 "), "{method}: {answer}");
            assert!(
                answer.contains("\r\nAllow: GET, HEAD, POST\r\n"),
                "{answer}"
            );
        }
        for method in ["GET", "HEAD", "POST"] {
            assert!(stage.order(method, page).starts_with("HTTP/1.0 200 "));
        }
    }
    let shown = basic(b"admin:", ADMIN.as_bytes());
    for ends in ["\r\r\n", "\r\n", "\n"] {
        let request = format!(
            "POST /admin/stats HTTP/1.0{ends}{shown}{ends}Content-Length: 6{ends}{ends}a=\r\r\nb"
        );
        let answer = stage.ask(&request);
        assert!(answer.starts_with("HTTP/1.0 200 "), "{ends:?}: {answer}");
    }
    for (request, status) in [
        (
            format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "a".repeat(20_000)),
            "HTTP/1.0 431 ",
        ),
        (
            "GET / HTTP/1.0\r\nno colon\r\n\r\n".to_owned(),
            "HTTP/1.0 400 ",
        ),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            "HTTP/1.1 400 ",
        ),
    ] {
        let answer = stage.ask(&request);
        assert!(answer.starts_with(status), "{request:.40}: {answer}");
    }
}

/// What browsers say of another site's page, and of our own; behind a proxy that renames the host.
const FOREIGN: [&str; 3] = [
    "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
    "Origin: https://evil.example\r\n",
    "Origin: null\r\n",
];
const OWN: [&str; 4] = [
    "",
    "Origin: https://radio.example\r\nSec-Fetch-Site: same-origin\r\n",
    "Origin: http://inside:8000\r\n",
    "Origin: https://radio.example\r\n",
];

#[test]
fn another_sites_page_orders_nothing_with_the_password_that_a_browser_knows() {
    let stage = Stage::start("public_url = \"https://radio.example\"");
    let mut source = stage.source("/live.mp3");
    let shown = basic(b"admin:", ADMIN.as_bytes());
    let post = |path: &str, said: &str| {
        stage.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: inside:8000\r\nConnection: close\r\n{said}{shown}\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    };
    let title = "/admin/metadata?mount=/live.mp3&mode=updinfo&song=A";
    for said in FOREIGN {
        for path in [
            "/admin/killsource?mount=/live.mp3",
            "/admin/moveclients?mount=/live.mp3&destination=/b.mp3",
            "/api/v1/promote?force",
            title,
        ] {
            let answer = post(path, said);
            assert!(
                answer.starts_with("HTTP/1.1 403 "),
                "{path} {said}: {answer}"
            );
            assert!(answer.contains("public_url"), "{answer}");
        }
    }
    source.write_all(&frames(10)).unwrap();
    for said in OWN {
        assert!(post("/api/v1/promote", said).contains("409 Conflict"));
        assert!(post(title, said).contains("<return>1</return>"), "{said}");
    }
    let ended = post("/admin/killsource?mount=/live.mp3", OWN[1]);
    assert!(ended.contains("Source Removed"), "{ended}");
}

#[test]
fn titles_come_from_sources_with_get_and_from_the_operator_with_post() {
    let title = "/admin/metadata?mount=/live.mp3&mode=updinfo&song=";
    let own = basic(b"source:", SOURCE.as_bytes());
    let playing = |stage: &Stage, song: &str| {
        let status = stage.get("/api/v1/status").replace(": ", ":");
        status.contains(&format!("\"title\":\"{song}\""))
    };
    let stage = Stage::start("");
    let _source = stage.source("/live.mp3");
    let of_source = |method: &str, song: &str, said: &str| {
        stage.ask(&format!(
            "{method} {title}{song} HTTP/1.0\r\n{own}\r\n{said}\r\n"
        ))
    };
    assert!(of_source("GET", "A", "").contains(" 200 ") && playing(&stage, "A"));
    assert!(of_source("HEAD", "B", "").contains(" 405 ") && playing(&stage, "A"));
    let foreign = of_source("GET", "C", FOREIGN[0]);
    assert!(
        foreign.contains(" 403 ") && playing(&stage, "A"),
        "{foreign}"
    );
    for method in ["GET", "HEAD"] {
        let answer = stage.order(method, &format!("{title}D"));
        assert!(answer.contains(" 405 ") && playing(&stage, "A"), "{answer}");
    }
    assert!(stage.order("POST", &format!("{title}E")).contains(" 200 "));
    assert!(playing(&stage, "E"));
    let kill = "/admin/killsource?mount=/live.mp3";
    assert!(stage.order("HEAD", kill).contains(" 405 "));
}

#[test]
fn where_get_is_allowed_neither_head_nor_another_site_orders_anything() {
    let stage = Stage::start_with("", "legacy_get = true");
    let _source = stage.source("/live.mp3");
    let kill = "/admin/killsource?mount=/live.mp3";
    let title = "/admin/metadata?mount=/live.mp3&mode=updinfo&song=A";
    assert!(stage.order("HEAD", kill).contains(" 405 "));
    assert!(stage.order("HEAD", title).contains(" 405 "));
    let shown = basic(b"admin:", ADMIN.as_bytes());
    let foreign = FOREIGN[0];
    let answer = stage.ask(&format!("GET {kill} HTTP/1.0\r\n{foreign}{shown}\r\n\r\n"));
    assert!(answer.contains(" 403 "), "{answer}");
    assert!(stage.order("GET", title).contains(" 200 "));
    assert!(stage.order("GET", kill).contains("Source Removed"));
}

#[test]
fn listeners_get_and_lose_passwords_by_order_of_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("listeners");
    std::fs::write(&file, "carl:5f4dcc3b5aa765d61d8327deb882cf99\n").unwrap();
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/locked.mp3\"\nhtpasswd = \"{}\"",
        file.display()
    ));
    let manage = |method: &str, rest: &str| {
        stage.order(
            method,
            &format!("/admin/manageauth.xsl?mount=/locked.mp3{rest}"),
        )
    };
    let list = manage("GET", "");
    let carl = "<source mount=\"/locked.mp3\"><User><username>carl</username></User></source>";
    assert!(list.contains(carl) && !list.contains("5f4d"), "{list}");
    let add = "&action=add&username=dora&password=let%20me%20in";
    assert!(manage("GET", add).contains(" 405 "));
    let added = manage("POST", add);
    assert!(added.contains("<message>User added</message>"), "{added}");
    assert!(added.contains("<username>dora</username>"), "{added}");
    assert!(manage("POST", add).contains("User already exists"));
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("\ndora:$2")
    );
    let deleted = manage("POST", "&action=delete&username=carl");
    assert!(
        deleted.contains("User deleted") && !deleted.contains("carl"),
        "{deleted}"
    );
    for (rest, word) in [
        (
            "&action=add&username=a%3Ab&password=x",
            "<return>0</return>",
        ),
        ("&action=add&username=x", " 400 "),
        ("&action=delete", " 400 "),
        ("&action=burn&username=dora", " 400 "),
    ] {
        let answer = manage("POST", rest);
        assert!(answer.contains(word), "{rest}: {answer}");
    }
    let open = stage.order("GET", "/admin/manageauth?mount=/open.mp3");
    assert!(open.contains(" 400 "), "{open}");
    // What was added lets in.
    let shown = basic(b"dora:", b"let me in");
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, _) = stage.publish("/locked.mp3", own.as_bytes());
    source.write_all(&frames(50)).unwrap();
    until("dora listens", || {
        let mut socket = stage.connect();
        let request = format!("GET /locked.mp3 HTTP/1.0\r\n{shown}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        read_head(&mut socket).contains(" 200 ")
    });
}
