//! Explaining a choice to the operator: for any address, which is forgotten at once.

use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use stream::mount::MountPath;

use crate::balancer::Balancer;
use crate::base_url::Scheme;
use crate::desk::form::Form;
use crate::desk::guard::typed_address;
use crate::desk::page::{Section, complaint};
use crate::desk::visit::Visit;
use crate::desk::why;
use crate::explain::Explanation;

/// What was asked wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// It is no address.
    Address,
    /// It is no mount.
    Mount,
    /// Nobody comes that way.
    Scheme,
}

/// The choice for somebody at `address`.
///
/// # Errors
/// When address, mount or scheme are none.
pub fn explain(
    balancer: &Balancer,
    address: &str,
    mount: &str,
    scheme: &str,
) -> Result<Explanation, Mistake> {
    let address = typed_address(address).ok_or(Mistake::Address)?;
    let mount = MountPath::parse(mount).map_err(|_| Mistake::Mount)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" | "" => Scheme::Http,
        _ => return Err(Mistake::Scheme),
    };
    let listener = balancer.listener(address, scheme, "");
    Ok(Explanation::of(balancer, &listener, &mount, Instant::now()))
}

/// The page with the form, and the answer if something was asked.
pub fn page(visit: &Visit, asked: Option<&Form>) -> Response<Body> {
    let w = visit.words();
    let empty = Form::default();
    let filled = asked.unwrap_or(&empty);
    let form = why::form(w, &visit.balancer.mounts(), filled);
    let answered = asked.map(|form| {
        let (address, mount) = (form.text("address"), form.text("mount"));
        explain(&visit.balancer, address, mount, form.text("scheme"))
    });
    let (status, content) = match answered {
        None => (StatusCode::OK, form),
        Some(Ok(explanation)) => (StatusCode::OK, form + &why::answer(w, &explanation)),
        Some(Err(mistake)) => {
            let sentence = match mistake {
                Mistake::Address => w.bad_address,
                Mistake::Mount => w.bad_mount,
                // The form offers no other.
                Mistake::Scheme => w.bad_form,
            };
            (StatusCode::BAD_REQUEST, complaint(w, sentence) + &form)
        }
    };
    visit.page(status, Section::Explain, w.explain, &content)
}
