//! A small tree that is written as XML or as JSON. Pure.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::{Map, Value};

/// Of these there may be several: in JSON they are always lists.
const LISTS: [&str; 3] = ["source", "listener", "User"];

/// An element of XML, a key of JSON.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Number(u64),
    Children(Vec<Element>),
}

impl Element {
    /// One that holds others.
    pub fn new(name: &'static str) -> Self {
        Self::holding(name, Content::Children(Vec::new()))
    }

    /// One that holds text.
    pub fn leaf(name: &'static str, text: &str) -> Self {
        Self::holding(name, Content::Text(fit_for_xml(text)))
    }

    fn holding(name: &'static str, content: Content) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            content,
        }
    }

    /// What Icecast says when something was done, or was not.
    pub fn response(message: &str, is_done: bool) -> Self {
        Self::new("iceresponse")
            .text("message", message)
            .number("return", u64::from(is_done))
    }

    /// The same with an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: &str) -> Self {
        self.attributes.push((name, fit_for_xml(value)));
        self
    }

    /// The same with one more inside; one that holds text loses it.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        match &mut self.content {
            Content::Children(children) => children.push(child),
            _ => self.content = Content::Children(vec![child]),
        }
        self
    }

    /// The same with all of these inside.
    #[must_use]
    pub fn with_all(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::with)
    }

    /// The same with text inside.
    #[must_use]
    pub fn text(self, name: &'static str, text: &str) -> Self {
        self.with(Self::leaf(name, text))
    }

    /// The same with text inside, if there is any.
    #[must_use]
    pub fn maybe(self, name: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// The same with a number inside.
    #[must_use]
    pub fn number(self, name: &'static str, number: u64) -> Self {
        self.with(Self::holding(name, Content::Number(number)))
    }

    /// A document of XML, as Icecast writes it: on one line behind the first.
    pub fn xml(&self) -> String {
        self.document(Writer::new(Vec::new()))
    }

    /// A document of XML for people: each element on a line.
    pub fn xml_in_lines(&self) -> String {
        self.document(Writer::new_with_indent(Vec::new(), b' ', 2))
    }

    fn document(&self, mut writer: Writer<Vec<u8>>) -> String {
        // Writing to memory does not fail.
        let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", None, None)));
        let _ = writer.write_event(Event::Text(BytesText::from_escaped("\n")));
        let _ = self.write(&mut writer);
        let mut text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
        text.push('\n');
        text
    }

    /// The element alone, for pages of HTML.
    pub fn fragment(&self) -> String {
        let mut writer = Writer::new(Vec::new());
        let _ = self.write(&mut writer);
        String::from_utf8_lossy(&writer.into_inner()).into_owned()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let attributes = self.attributes.iter();
        let element = writer
            .create_element(self.name)
            .with_attributes(attributes.map(|(name, value)| (*name, value.as_str())));
        match &self.content {
            Content::Text(text) => element.write_text_content(BytesText::new(text))?,
            Content::Number(number) => {
                element.write_text_content(BytesText::new(&number.to_string()))?
            }
            Content::Children(children) => element.write_inner_content(|writer| {
                children.iter().try_for_each(|child| child.write(writer))
            })?,
        };
        Ok(())
    }

    /// All that it and the mounts in it say, each with the mount that it is said of, or `global`.
    pub fn statements(&self) -> Vec<((String, &'static str), String)> {
        let mut found = Vec::new();
        let Content::Children(children) = &self.content else {
            return found;
        };
        let mount = self.attributes.iter().find(|(name, _)| *name == "mount");
        let of = mount.map_or("global", |(_, path)| path.as_str());
        for child in children {
            let value = match &child.content {
                Content::Text(text) => text.clone(),
                Content::Number(number) => number.to_string(),
                Content::Children(_) => {
                    found.extend(child.statements());
                    continue;
                }
            };
            found.push(((of.to_owned(), child.name), value));
        }
        found
    }

    /// The same as JSON: `{"name": …}`.
    pub fn json(&self) -> Value {
        Value::Object(Map::from_iter([(self.name.to_owned(), self.value())]))
    }

    fn value(&self) -> Value {
        let children = match &self.content {
            Content::Text(text) => return Value::from(text.as_str()),
            Content::Number(number) => return Value::from(*number),
            Content::Children(children) => children,
        };
        let attributes = self.attributes.iter();
        let mut object: Map<String, Value> = attributes
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        for child in children {
            let value = child.value();
            if LISTS.contains(&child.name) {
                let list = object
                    .entry(child.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(value);
                }
            } else {
                object.insert(child.name.to_owned(), value);
            }
        }
        Value::Object(object)
    }
}

/// Without the characters that XML 1.0 cannot hold, however they are written (§2.2).
fn fit_for_xml(text: &str) -> String {
    let is_fit = |c: &char| {
        (!c.is_control() || matches!(c, '\n' | '\t')) && !matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    text.chars().filter(is_fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_title_holds_the_document_can_be_read_and_says_the_same() {
        for title in [
            "007",
            "true",
            "\" \\",
            " - ",
            "<b>&amp;]]>",
            "a\u{1}b\u{ffff}",
            "",
        ] {
            let stats = Element::new("icestats").with(
                Element::new("source")
                    .attribute("mount", title)
                    .text("title", title),
            );
            let xml = stats.xml();
            let mut reader = quick_xml::Reader::from_str(&xml);
            let mut read = String::new();
            loop {
                match reader.read_event().unwrap() {
                    Event::Text(text) => read.push_str(&text.decode().unwrap()),
                    Event::GeneralRef(name) => {
                        let name = name.decode().unwrap();
                        let resolved = quick_xml::escape::resolve_predefined_entity(&name);
                        read.push_str(resolved.unwrap());
                    }
                    Event::Eof => break,
                    _ => {}
                }
            }
            let wanted = title.replace(['\u{1}', '\u{ffff}'], "");
            assert_eq!(read.trim_matches('\n'), wanted, "{xml}");
            assert_eq!(stats.json()["icestats"]["source"][0]["title"], wanted);
        }
    }

    #[test]
    fn an_answer_looks_as_icecasts_does() {
        assert_eq!(
            Element::response("Metadata update successful", true).xml(),
            "<?xml version=\"1.0\"?>\n<iceresponse><message>Metadata update successful</message>\
             <return>1</return></iceresponse>\n"
        );
    }
}
