//! Scripts of operators.

use std::io::Write;

use crate::stage::{SOURCE, Stage, basic, frames, read_head, read_to_end, until};

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
    assert!(stage.order("GET", set).contains("<return>1</return>"));
    assert!(stage.order("GET", "/admin/nonsense.xsl").contains(" 400 "));
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
