//! `/admin/manageauth`: who may listen to a mount that has a file of passwords. Shows names, never
//! passwords, nor what is made of them.

use axum::response::Response;
use tracing::info;

use super::element::Element;
use super::fields::Fields;
use super::office::{Form, refused};
use crate::http::guard::{Change, Guard};
use crate::mount::MountPath;

/// Whether more than a list is asked for.
pub(super) fn changes(fields: &Fields) -> bool {
    fields.text("action").is_some_and(|action| action != "list")
}

/// The users of a mount, after what was to be done with one of them.
pub(super) async fn answer(guard: &Guard, mount: &str, form: Form, fields: &Fields) -> Response {
    let path = MountPath::parse(mount).ok();
    let Some(path) = path.filter(|path| guard.users(path).is_some()) else {
        return refused("no such mount, or it has no htpasswd");
    };
    let action = fields.text("action").unwrap_or_else(|| "list".to_owned());
    let user = fields.text("username");
    let response = match (action.as_str(), user) {
        ("list", _) => None,
        ("add", Some(user)) => {
            let Some(password) = fields.text("password") else {
                return refused("missing parameter");
            };
            let added = guard.change(&path, Change::Add { user, password }).await;
            Some(said(added, ["User added", "User already exists"], &path))
        }
        ("delete", Some(user)) => {
            let deleted = guard.change(&path, Change::Delete { user }).await;
            Some(said(
                deleted,
                ["User deleted", "User does not exist"],
                &path,
            ))
        }
        _ => return refused("missing parameter"),
    };
    let users = guard.users(&path).unwrap_or_default();
    let users = users
        .iter()
        .map(|user| Element::new("User").text("username", user));
    let source = Element::new("source").attribute("mount", path.as_str());
    let stats = Element::new("icestats").with_all(response);
    form.answer(&stats.with(source.with_all(users)))
}

fn said(done: Result<bool, String>, [yes, no]: [&str; 2], path: &MountPath) -> Element {
    match done {
        Ok(true) => {
            info!("the operator changed who may listen to {path}: {yes}");
            Element::response(yes, true)
        }
        Ok(false) => Element::response(no, false),
        Err(why) => Element::response(&why, false),
    }
}
