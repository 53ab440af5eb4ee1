//! The pages of relays: looking at them, adding one, and pressing a button.

use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use stream::report::Place;

use crate::asked::Asked;
use crate::base_url::BaseUrl;
use crate::desk::acts;
use crate::desk::changes::{Added, Change, Complaint};
use crate::desk::facts::Facts;
use crate::desk::fleet::Fleet;
use crate::desk::form::Form;
use crate::desk::overlay::Overlay;
use crate::desk::page::{Section, complaint};
use crate::desk::single;
use crate::desk::visit::{Visit, see};
use crate::desk::words::Words;
use crate::place::Country;
use crate::status::Totals;
use crate::token::{self, TokenDigest};

/// The page of all relays. `wrong`: what is to be said first, and what was filled in.
pub fn all(visit: &Visit, wrong: Option<(&str, &Form)>) -> Response<Body> {
    let w = visit.words();
    let totals = Totals::of(&visit.balancer, Instant::now());
    let relays = Facts::all(&visit.balancer);
    let changes = visit.balancer.desk().changes().clone();
    let empty = Form::default();
    let fleet = Fleet {
        words: w,
        totals: &totals,
        relays: &relays,
        changes: &changes,
        filled: wrong.map_or(&empty, |(_, filled)| filled),
        keeping: acts::keeping(&visit.balancer),
        share: visit.balancer.share(),
    };
    let (status, said) = match wrong {
        Some((sentence, _)) => (StatusCode::BAD_REQUEST, complaint(w, sentence)),
        None => (StatusCode::OK, String::new()),
    };
    let content = said + &fleet.content();
    visit.page(status, Section::Relays, w.relays, &content)
}

/// The page of one relay.
pub fn one(visit: &Visit, name: &str, wrong: Option<&str>) -> Response<Body> {
    let w = visit.words();
    let Some(facts) = Facts::of(&visit.balancer, name) else {
        return visit.complaint(StatusCode::NOT_FOUND, Section::Relays, w.no_such_relay);
    };
    let (status, said) = match wrong {
        Some(sentence) => (StatusCode::BAD_REQUEST, complaint(w, sentence)),
        None => (StatusCode::OK, String::new()),
    };
    let content = said + &single::content(w, &facts);
    visit.page(status, Section::Relays, name, &content)
}

/// Adds a relay and shows its token, once.
pub async fn add(visit: &Visit, form: &Form) -> Response<Body> {
    let w = visit.words();
    let name = form.text("name");
    let fresh = token::fresh();
    let made = match (&fresh, added(w, form, fresh.as_deref().unwrap_or_default())) {
        (None, _) => Err(w.no_chance),
        (Some(_), Err(sentence)) => Err(sentence),
        (Some(_), Ok(added)) => acts::make(&visit.balancer, name, Change::Add(added))
            .await
            .map_err(|complaint| sentence(w, complaint)),
    };
    if let Err(sentence) = made {
        return all(visit, Some((sentence, form)));
    }
    let base = Asked::of(&visit.head).public_base(&visit.balancer);
    let base = base.unwrap_or_else(|| "http://balancer.example:8000".to_owned());
    let content = single::welcome(w, name, &fresh.unwrap_or_default(), &base);
    visit.page(StatusCode::OK, Section::Relays, w.added, &content)
}

fn added(w: &Words, form: &Form, token: &str) -> Result<Added, &'static str> {
    let url = match form.text("url") {
        "" => None,
        text => Some(BaseUrl::parse(text).map_err(|_| w.bad_url)?),
    };
    let place = match (form.number("latitude"), form.number("longitude")) {
        (Ok(None), Ok(None)) => None,
        (Ok(Some(latitude)), Ok(Some(longitude))) => Some(Place {
            latitude,
            longitude,
        }),
        _ => return Err(w.bad_place),
    };
    let country = match form.text("country") {
        "" => None,
        letters => {
            let country = Country::parse(letters).filter(|country| country.is_known());
            Some(country.ok_or(w.bad_country)?)
        }
    };
    Ok(Added {
        token_sha256: TokenDigest::of(token),
        url,
        place,
        country,
    })
}

/// A button on a relay's page was pressed.
pub async fn press(visit: &Visit, name: &str, form: &Form) -> Response<Body> {
    let w = visit.words();
    let balancer = &visit.balancer;
    let order = async |wishes| acts::make(balancer, name, Change::Order(wishes)).await;
    let disabled = |is_disabled| Overlay {
        is_disabled: Some(is_disabled),
        ..Overlay::default()
    };
    let draining = |is_draining| Overlay {
        is_draining: Some(is_draining),
        ..Overlay::default()
    };
    let mut next = format!("/desk/relays/{name}");
    let made = match form.text("do") {
        "disable" => order(disabled(true)).await,
        "enable" => order(disabled(false)).await,
        "drain" => order(draining(true)).await,
        "undrain" => order(draining(false)).await,
        "restore" => acts::make(balancer, name, Change::Restore).await,
        "remove" if form.text("sure") != "yes" => return one(visit, name, Some(w.remove_unsure)),
        "remove" => {
            "/desk".clone_into(&mut next);
            acts::make(balancer, name, Change::Remove).await
        }
        "quarantine" => acts::make(balancer, name, Change::PutAway).await,
        "release" => acts::make(balancer, name, Change::Release).await,
        "dials" => match dials(w, form) {
            Ok(wishes) => order(wishes).await,
            Err(sentence) => return one(visit, name, Some(sentence)),
        },
        _ => return one(visit, name, Some(w.bad_form)),
    };
    match made {
        Ok(()) => see(&next),
        Err(complaint) => one(visit, name, Some(sentence(w, complaint))),
    }
}

/// The bias and the limit that were typed in, as far as they are others than the page showed: what
/// somebody else has changed meanwhile stays.
fn dials(w: &Words, form: &Form) -> Result<Overlay, &'static str> {
    let bias_km = form.number("bias_km").ok().flatten().ok_or(w.bad_bias)?;
    let slots_max = match form.text("slots_max") {
        "" => None,
        text => Some(text.parse().map_err(|_| w.bad_slots)?),
    };
    #[expect(clippy::cast_possible_truncation, reason = "kilometres")]
    let bias_km = bias_km as f32;
    let is_new = |now: &str, before: &str| form.text(now) != form.text(before);
    Ok(Overlay {
        bias_km: is_new("bias_km", "was_bias_km").then_some(bias_km),
        slots_max: is_new("slots_max", "was_slots_max").then_some(slots_max),
        ..Overlay::default()
    })
}

/// A complaint in the reader's language.
fn sentence(w: &Words, complaint: Complaint) -> &'static str {
    match complaint {
        Complaint::Unknown => w.no_such_relay,
        Complaint::NameTaken => w.name_taken,
        Complaint::BadName => w.bad_name,
        Complaint::TooMany => w.too_many,
        Complaint::BadBias => w.bad_bias,
        Complaint::BadPlace => w.bad_place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn a_country_that_is_none_is_refused() {
        let w = Language::English.words();
        let country = |letters: &str| {
            let form = Form::parse(format!("country={letters}").as_bytes());
            added(w, &form, "token").map(|added| added.country)
        };
        assert_eq!(country(""), Ok(None));
        assert_eq!(country("DE"), Ok(Country::parse("DE")));
        assert_eq!(country("ZZ"), Err(w.bad_country));
        assert_eq!(country("Germany"), Err(w.bad_country));
    }
}
