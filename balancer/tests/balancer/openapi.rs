//! The document of the interface says what answers really hold.

use serde_json::{Value, json};

use crate::desk::{Desk, report};

const PASSWORD: &str = "correct horse battery";

/// Whether `value` is as `schema` says: all that is required is there, nothing unnamed, each of a
/// type that may be.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        let schema = document.pointer(pointer).unwrap();
        return check(document, schema, value, place);
    }
    if let Some(schemas) = schema["oneOf"].as_array() {
        let is_null = |schema: &&Value| (schema["type"] == "null") == value.is_null();
        let schema = schemas.iter().find(is_null).unwrap();
        return check(document, schema, value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let is_number = kind == "integer" && kinds.contains(&"number");
    assert!(kinds.contains(&kind) || is_number, "{place}: {value}");
    if let Some(named) = schema["enum"].as_array() {
        assert!(named.contains(value), "{place}: {value}");
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}/{n}"));
    }
    let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        assert!(fields.contains_key(name), "{place} has no {name}");
    }
    for (name, field) in fields {
        let property = properties.get(name);
        let property = property.unwrap_or_else(|| panic!("{place}/{name} is not named"));
        check(document, property, field, &format!("{place}/{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_interface_is_as_its_document_says() {
    let settings = format!("[operator]\npassword = \"{PASSWORD}\"");
    let desk = Desk::start(&settings).await;
    let mut good = report("a", 1, 3, 10);
    good["place"] = json!({"latitude": 52.5, "longitude": 13.4});
    desk.hear("a", &good).await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operator = format!("Authorization: Bearer {PASSWORD}\r\n");
    for (path, asked) in [
        ("/api/v1/status", "/api/v1/status"),
        ("/api/v1/places", "/api/v1/places"),
        ("/api/v1/explain", "/api/v1/explain?mount=/live.ogg"),
        ("/api/v1/relays", "/api/v1/relays"),
        ("/api/v1/relays/{name}", "/api/v1/relays/a"),
        ("/api/v1/history", "/api/v1/history"),
    ] {
        let answer = desk.ask("GET", asked, &operator).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let described = &document["paths"][path]["get"]["responses"]["200"];
        let schema = &described["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}: {described}");
        check(&document, schema, &answer.json(), path);
    }
}
