//! What there is below `/api/v1`, for programs that make clients of it. Kept by hand; a test
//! compares it with the routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::routing::get;

use crate::answer;
use crate::balancer::Balancer;

/// The document.
pub(crate) fn routes() -> Router<Arc<Balancer>> {
    Router::new().route("/api/v1/openapi.json", get(document))
}

async fn document() -> Response<Body> {
    let text = include_str!("openapi.json");
    answer::typed(StatusCode::OK, "application/json", text.to_owned())
}
