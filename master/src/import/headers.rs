//! The headers that an Icecast adds to its answers. Pure.

use std::collections::BTreeMap;

use roxmltree::Node;
use stream::http::added::Added;
use toml::{Table, Value};

use super::translate::{Translation, attributes};

impl Translation<'_> {
    /// What can be taken over of an `<http-headers>`; of the rest it is said why not.
    pub(super) fn take_headers(&mut self, tag: &str, node: Node<'_, '_>) -> Option<Value> {
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for child in node.children().filter(Node::is_element) {
            let tag = format!("{tag}/{}", child.tag_name().name());
            let attribute = |name| child.attribute(name).unwrap_or_default().trim();
            let (name, value) = (attribute("name"), attribute("value"));
            if !child.has_tag_name("header") || name.is_empty() {
                self.remark(&tag, &attributes(child));
                continue;
            }
            let is_for_sound = matches!(attribute("status"), "" | "200");
            let why = if name.eq_ignore_ascii_case("access-control-allow-origin") && value == "*" {
                "it is always there".to_owned()
            } else if !is_for_sound {
                "only answers with sound get headers of yours".to_owned()
            } else {
                let mut more = taken.clone();
                more.insert(name.to_owned(), value.to_owned());
                match Added::try_from(more.clone()) {
                    Ok(_) => {
                        taken = more;
                        continue;
                    }
                    Err(why) => why,
                }
            };
            self.draft.remark(&tag, name, &why);
        }
        let table = taken.into_iter().map(|(name, value)| (name, value.into()));
        let table: Table = table.collect();
        (!table.is_empty()).then_some(Value::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use crate::import::translate::tests::{checked, made};

    #[test]
    fn headers_for_all_and_for_one_mount_are_taken_over_and_the_rest_is_named() {
        let toml = made(
            "<http-headers><!-- CORS --><header name=\"Access-Control-Allow-Origin\" value=\"*\"/>
             <header name=\"X-Robots-Tag\" value=\"noindex\"/>
             <header name=\"Link\" value=\"&lt;http://a/&gt;\" status=\"200\"/>
             <header name=\"X-Gone\" value=\"x\" status=\"404\"/>
             <header name=\"Set-Cookie\" value=\"a=b\"/><header value=\"x\"/></http-headers>
             <mount><mount-name>/a.ogg</mount-name><http-headers>
             <header name=\"X-Robots-Tag\" value=\"all\"/>
             <header name=\"Access-Control-Allow-Origin\" value=\"http://a\"/></http-headers></mount>",
        )
        .toml;
        let config = checked(&toml);
        let all: Vec<_> = config.headers.all().collect();
        assert_eq!(all, [("Link", "<http://a/>"), ("X-Robots-Tag", "noindex")]);
        let own: Vec<_> = config.mount[0].headers.all().collect();
        assert_eq!(own, [("X-Robots-Tag", "all")]);
        for remark in [
            "# <http-headers/header> (Access-Control-Allow-Origin): it is always there",
            "(Access-Control-Allow-Origin): `headers`: Access-Control-Allow-Origin cannot be added",
            "# <http-headers/header> (X-Gone): only answers with sound",
            "# <http-headers/header> (Set-Cookie): `headers`: Set-Cookie cannot be added",
        ] {
            assert!(toml.contains(remark), "{remark}\n{toml}");
        }
    }
}
