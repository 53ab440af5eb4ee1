//! What a form on a page, or a program, sends: read within limits.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;

/// A form or a JSON body has no more bytes.
pub const FORM_BYTES_MAX: usize = 16 * 1024;
/// It comes within this time.
pub const FORM_TIME_MAX: Duration = Duration::from_secs(5);

/// What was written is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNumber;

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `a=b&c=d`. Never fails: what is no pair is a name without a value.
    pub fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// What was written into a field, without spaces around it; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.whole(name).trim()
    }

    /// The same with its spaces: a password may have some.
    pub fn whole(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value.as_str())
    }

    /// The number in a field, also with a comma as Germans write it; `None`: empty.
    ///
    /// # Errors
    /// When it is no number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, NoNumber> {
        let text = self.text(name).replace(',', ".").replace('−', "-");
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(NoNumber),
        }
    }
}

/// The body of a request.
///
/// # Errors
/// The status and the sentence to answer.
pub async fn body(body: Body) -> Result<Bytes, (StatusCode, String)> {
    match tokio::time::timeout(FORM_TIME_MAX, to_bytes(body, FORM_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body broke off or has more than {FORM_BYTES_MAX} bytes\n"),
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive\n".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_people_write_them() {
        let form = Form::parse("a=+x+&b=%E2%88%9220%2C5&c=&d=nan&e=1e999&&=&a=y".as_bytes());
        assert_eq!((form.text("a"), form.whole("a")), ("x", " x "));
        assert_eq!(form.number("b"), Ok(Some(-20.5)));
        assert_eq!(form.number("c"), Ok(None));
        assert_eq!(form.number("missing"), Ok(None));
        assert_eq!(form.number("d"), Err(NoNumber));
        assert_eq!(form.number("e"), Err(NoNumber));
        assert_eq!(form.number("a"), Err(NoNumber));
        Form::parse(&[0xff, b'=', 0xfe, b'%', b'%', b'&']);
    }
}
