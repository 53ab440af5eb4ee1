//! The time now, as HTTP writes it (RFC 9110 §5.6.7), and in seconds.

use std::cell::RefCell;

thread_local! {
    /// The last second that was asked for, and how it is written.
    static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// Such as `Sun, 18 Sep 2011 16:00:00 GMT`.
pub fn http_date() -> String {
    let mut text = String::new();
    write_http_date(&mut text);
    text
}

/// The same, behind what is there.
pub fn write_http_date(text: &mut String) {
    let now = jiff::Timestamp::now();
    LAST.with_borrow_mut(|(second, written)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *written = jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .unwrap_or_default();
        }
        text.push_str(written);
    });
}

/// In Unix seconds.
pub fn unix_second() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_is_as_long_as_http_says_and_in_gmt() {
        let date = super::http_date();
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    }
}
