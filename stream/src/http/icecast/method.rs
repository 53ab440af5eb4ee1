//! The methods that there are below `/admin`.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The answer to any other method.
pub(super) fn refused(method: &Method) -> Option<Response> {
    if [Method::GET, Method::HEAD, Method::POST].contains(method) {
        return None;
    }
    let allow = [(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"))];
    let why = format!("there is no {method} here: GET shows, POST changes\n");
    Some((StatusCode::METHOD_NOT_ALLOWED, allow, why).into_response())
}
