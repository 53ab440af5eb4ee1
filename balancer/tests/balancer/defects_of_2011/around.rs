//! What is around the choice: defects 22 to 25.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::desk::{Desk, report};

#[tokio::test(flavor = "multi_thread")]
async fn defect_22_nobody_can_speak_for_a_relay_without_its_token() {
    let fixed =
        "[[relay]]\nname = \"c\"\ntoken = \"token of c\"\nurl = \"http://c.example:8000\"\n";
    let desk = Desk::start(fixed).await;
    let body = report("a", 1, 0, 10);
    for token in ["", "token of x"] {
        assert_eq!(desk.report(token, &body.to_string()).await.status, 401);
    }
    // Who owns a, owns no more than a: the token says who speaks, not the words.
    desk.hear("a", &report("b", 1, 0, 10)).await;
    let status = desk.get("/api/v1/status").await.json();
    let relays = status["relays"].as_array().unwrap();
    let fresh = relays.iter().filter(|relay| relay["fresh"] == true);
    let names: Vec<_> = fresh.map(|relay| &relay["name"]).collect();
    assert_eq!(names, ["a"]);
    // An address that the operator fixed cannot be taken over by a report.
    let stolen = desk
        .report("token of c", &report("evil", 1, 0, 10).to_string())
        .await;
    assert_eq!(stolen.status, 403);
}

#[test]
fn defect_23_what_is_installed_runs_by_itself_and_its_licence_is_there() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    // Nothing of the repository is around, not even the settings it was built with.
    let alone = folder.path().join("plenum-balancer");
    std::fs::copy(env!("CARGO_BIN_EXE_plenum-balancer"), &alone).unwrap();
    std::fs::copy(own.join("balancer.toml"), folder.path().join("b.toml")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&alone);
        command
            .args(arguments)
            .current_dir(folder.path())
            .env_clear();
        command.output().unwrap()
    };
    let checked = run(&["--check", "--config", "b.toml"]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(run(&["--help"]).status.success());
    let mut make = Command::new("make");
    make.args(["--dry-run", "install"])
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(own.join(".."));
    let installed = make.output().unwrap();
    let installed = String::from_utf8_lossy(&installed.stdout).into_owned();
    for file in [
        "target/dist/plenum-balancer",
        "LICENSE",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "NOTICE",
    ] {
        let is_there = installed.split_whitespace().any(|word| word == file);
        assert!(is_there, "{file} in {installed}");
        let is_made = file.starts_with("target");
        assert!(is_made || own.join("..").join(file).is_file(), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_24_there_are_figures_lists_and_an_api() {
    let desk = Desk::start("[operator]\npassword = \"correct horse battery\"").await;
    desk.hear("a", &report("a", 1, 0, 10)).await;
    assert_eq!(desk.get("/live.ogg").await.status, 302);
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!(status["totals"]["sent_to_relays"], 1);
    for list in ["/live.m3u", "/live.pls"] {
        let answer = desk.get(list).await;
        assert_eq!(answer.status, 200, "{list}");
        assert!(
            answer.body.contains("http://radio.example:8000/live.ogg"),
            "{answer:?}"
        );
    }
    let why = desk.get("/api/v1/explain?mount=/live.ogg").await.json();
    assert_eq!(why["chosen"], "a");
    let metrics = desk.get("/metrics").await;
    let sent = "plenum_balancer_redirects_total{outcome=\"relay\"} 1\n";
    assert!(metrics.body.contains(sent), "{metrics:?}");
    let bearer = "Authorization: Bearer correct horse battery\r\n";
    assert_eq!(desk.ask("GET", "/api/v1/relays", bearer).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_25_the_page_shows_this_moment_every_relay_and_nothing_from_elsewhere() {
    let desk = Desk::start("").await;
    let figures = async || {
        let page = desk.get("/").await.body;
        ["n-slots", "n-listeners", "n-free"].map(|id| {
            let behind = page.split(&format!("id=\"{id}\">")).nth(1);
            let number = behind.and_then(|rest| rest.split('<').next());
            number.unwrap_or_default().parse::<u64>().unwrap()
        })
    };
    assert_eq!(figures().await, [0, 0, 0]);
    desk.hear("a", &report("a", 1, 3, 10)).await;
    assert_eq!(figures().await, [10, 3, 7], "without a restart");
    // A relay without a free place is still part of what there is.
    desk.hear("a", &report("a", 2, 10, 10)).await;
    desk.hear("b", &report("b", 1, 5, 20)).await;
    assert_eq!(figures().await, [30, 15, 15]);
    let mut renamed = report("b", 2, 5, 20);
    renamed["mounts"][0]["path"] = json!("/another.ogg");
    desk.hear("b", &renamed).await;
    let page = desk.get("/?mount=/another.ogg").await.body;
    assert!(page.contains("another.ogg"), "no name is built in: {page}");
    for tag in ["src=\"http", "src=\"//", "<script src=\"http", "url(http"] {
        assert!(!page.contains(tag), "{tag} in {page}");
    }
}
