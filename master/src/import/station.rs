//! What a `<mount>` of an icecast.xml says of the station (it counts more than what the source says,
//! there as here), and how those speak who are asked about its listeners. Pure.

use super::draft::Table;

/// Whether it says yes: 2.4 wants a number, KH and 2.5 take words, too. Whoever wrote the word meant it.
pub(super) fn is_true(said: &str) -> bool {
    let said = said.trim().to_ascii_lowercase();
    ["1", "yes", "true", "on"].contains(&said.as_str())
}

/// Whether it says no, in as many ways.
fn is_false(said: &str) -> bool {
    let said = said.trim().to_ascii_lowercase();
    ["0", "no", "false", "off"].contains(&said.as_str())
}

/// Takes a word, if it is one of these and says something. `false`: it is not.
pub(super) fn take_word(table: &mut Table, name: &str, said: &str) -> bool {
    let key = match name {
        "stream-name" => "name",
        "stream-description" => "description",
        "stream-url" => "website",
        "genre" => "genre",
        "bitrate" => {
            let number = said.parse::<u32>();
            if let Ok(number) = number {
                table.set("bitrate_kilobits", i64::from(number));
            }
            return number.is_ok();
        }
        "source-timeout" => {
            let number = said.parse::<u32>().ok().filter(|number| *number > 0);
            if let Some(number) = number {
                table.set("source_timeout_seconds", i64::from(number));
            }
            return number.is_some();
        }
        "fallback-when-full" if is_true(said) => {
            table.set("fallback_when_full", true);
            return true;
        }
        "no-mount" if is_true(said) => {
            table.set("only_as_fallback", true);
            return true;
        }
        // The same in 2.5, the other way round.
        "allow-direct-access" if is_false(said) => {
            table.set("only_as_fallback", true);
            return true;
        }
        // Whatever stands in `public`, this one is not listed.
        "no-yp" if is_true(said) => {
            table.set("public", false);
            return true;
        }
        "public" if is_true(said) || is_false(said) => {
            if table.get("public").is_none() {
                table.set("public", is_true(said));
            }
            return true;
        }
        _ => return false,
    };
    if said.is_empty() {
        return false;
    }
    table.set(key, said);
    true
}

/// Takes an option of `<authentication type="url">` that says how those speak who are asked.
/// `false`: it is none of these, or says nothing.
pub(super) fn take_manner(table: &mut Table, name: &str, value: &str) -> bool {
    let key = match name {
        "auth_header" => "auth_header",
        "timelimit_header" => "auth_timelimit_header",
        "header_prefix" => "auth_forward_prefix",
        "username" => "auth_user",
        "password" => "auth_password",
        "headers" => {
            let names = value.split(',').map(str::trim);
            let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            if !names.is_empty() {
                table.set("auth_forward_headers", names);
            }
            return true;
        }
        _ => return false,
    };
    if value.is_empty() {
        return false;
    }
    table.set(key, value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_station_become_keys_and_what_is_not_listed_there_is_not_here() {
        let mut table = Table::default();
        for (name, said) in [
            ("stream-name", "Radio Example"),
            ("stream-description", "Talk"),
            ("stream-url", "https://radio.example/"),
            ("genre", "talk"),
            ("bitrate", "128"),
            ("source-timeout", "30"),
            ("fallback-when-full", "1"),
            ("no-yp", "1"),
            ("public", "1"),
        ] {
            assert!(take_word(&mut table, name, said), "{name}");
        }
        let value = |key: &str| table.get(key).map(ToString::to_string);
        assert_eq!(value("name").as_deref(), Some("\"Radio Example\""));
        assert_eq!(value("description").as_deref(), Some("\"Talk\""));
        assert_eq!(
            value("website").as_deref(),
            Some("\"https://radio.example/\"")
        );
        assert_eq!(value("genre").as_deref(), Some("\"talk\""));
        assert_eq!(value("bitrate_kilobits").as_deref(), Some("128"));
        assert_eq!(value("public").as_deref(), Some("false"));
        assert_eq!(value("source_timeout_seconds").as_deref(), Some("30"));
        assert_eq!(value("fallback_when_full").as_deref(), Some("true"));
        for (name, said) in [
            ("stream-name", ""),
            ("bitrate", "much"),
            ("public", "-1"),
            ("no-yp", "0"),
            ("source-timeout", "0"),
            ("fallback-when-full", "0"),
            ("type", "x"),
        ] {
            assert!(!take_word(&mut table, name, said), "{name}");
        }
    }

    #[test]
    fn a_word_is_as_good_as_a_number() {
        for said in ["1", "yes", "TRUE", " on "] {
            let mut table = Table::default();
            for name in ["fallback-when-full", "no-mount", "public"] {
                assert!(take_word(&mut table, name, said), "{name} {said}");
            }
            assert_eq!(table.get("only_as_fallback").unwrap().as_bool(), Some(true));
            assert_eq!(table.get("public").unwrap().as_bool(), Some(true));
            assert!(take_word(&mut table, "no-yp", said));
            assert_eq!(table.get("public").unwrap().as_bool(), Some(false));
        }
        let mut table = Table::default();
        assert!(take_word(&mut table, "allow-direct-access", "Off"));
        assert!(table.get("only_as_fallback").is_some());
        for (name, said) in [("no-mount", "no"), ("no-yp", "2"), ("public", "perhaps")] {
            assert!(
                !take_word(&mut Table::default(), name, said),
                "{name} {said}"
            );
        }
    }

    #[test]
    fn icecasts_options_of_those_who_are_asked_become_keys() {
        let mut table = Table::default();
        for (name, value) in [
            ("auth_header", "X-Ok: yes"),
            ("timelimit_header", "X-Limit:"),
            ("headers", "cookie, X-Foo,"),
            ("header_prefix", "CH."),
            ("username", "us"),
            ("password", "p w"),
        ] {
            assert!(take_manner(&mut table, name, value), "{name}");
        }
        let value = |key: &str| table.get(key).unwrap().to_string();
        assert_eq!(value("auth_header"), "\"X-Ok: yes\"");
        assert_eq!(value("auth_timelimit_header"), "\"X-Limit:\"");
        assert_eq!(value("auth_forward_headers"), "[\"cookie\", \"X-Foo\"]");
        assert_eq!(value("auth_forward_prefix"), "\"CH.\"");
        assert_eq!(value("auth_user"), "\"us\"");
        assert_eq!(value("auth_password"), "\"p w\"");
        assert!(!take_manner(&mut table, "listener_add", "http://a/"));
    }
}
