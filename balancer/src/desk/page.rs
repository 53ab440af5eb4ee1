//! What every page of the operator has around its content. Pure.

use std::fmt::Write;

use crate::desk::words::Words;
use crate::html::Text;
use crate::language::Language;

/// Where its style sheet is.
pub const STYLE_PATH: &str = "/desk/desk.css";
/// The style sheet.
pub const STYLE: &str = include_str!("desk.css");
/// Nothing but the page's own style, and forms that go nowhere else. No script at all.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Which of the sections is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// All relays, or one.
    Relays,
    /// The last day.
    History,
    /// Where somebody would be sent.
    Explain,
    /// Nothing is, for nobody is signed in.
    Outside,
}

/// Whether the page can be asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Yes: it may be looked at in the other language.
    Lasting,
    /// It answers a form, and following a link would lose it, a new token even for good.
    Once,
}

/// A whole page.
pub fn page(
    language: Language,
    stay: Stay,
    section: Section,
    title: &str,
    content: &str,
) -> String {
    let w = language.words();
    let mut html = String::with_capacity(content.len() + 2048);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} · {}</title>\n<link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\n\
         </head>\n<body>\n<a class=\"skip\" href=\"#content\">{}</a>\n",
        language.tag(),
        Text(title),
        w.desk,
        w.skip,
    );
    write_header(&mut html, w, stay, section);
    let _ = write!(
        html,
        "<main id=\"content\">\n<h1>{}</h1>\n{content}</main>\n</body>\n</html>\n",
        Text(title),
    );
    html
}

fn write_header(html: &mut String, w: &Words, stay: Stay, section: Section) {
    let _ = write!(html, "<header>\n<p class=\"name\">{}</p>\n", w.program);
    if section != Section::Outside {
        let _ = writeln!(html, "<nav aria-label=\"{}\"><ul>", w.sections);
        for (this, path, word) in [
            (Section::Relays, "/desk", w.relays),
            (Section::History, "/desk/history", w.history),
            (Section::Explain, "/desk/explain", w.explain),
        ] {
            let current = if this == section {
                " aria-current=\"page\""
            } else {
                ""
            };
            let _ = writeln!(html, "<li><a href=\"{path}\"{current}>{word}</a></li>");
        }
        html.push_str("</ul></nav>\n");
    }
    html.push_str("<div class=\"corner\">");
    if stay == Stay::Lasting {
        let _ = write!(
            html,
            "<a href=\"?lang={0}\" lang=\"{0}\" hreflang=\"{0}\">{1}</a>",
            w.other_language_tag, w.other_language
        );
    }
    if section != Section::Outside {
        let _ = write!(
            html,
            "<form method=\"post\" action=\"/desk/leave\"><button class=\"quiet\">{}</button></form>",
            w.sign_out
        );
    }
    html.push_str("</div>\n</header>\n");
}

/// Something that went wrong, said first and to screen readers at once.
pub fn complaint(w: &Words, sentence: &str) -> String {
    format!(
        "<div class=\"notice bad\" role=\"alert\"><p><strong>{}:</strong> {}</p></div>\n",
        w.mistake,
        Text(sentence)
    )
}

/// Something to know.
pub fn notice(sentence: &str) -> String {
    format!(
        "<div class=\"notice\" role=\"status\"><p>{}</p></div>\n",
        Text(sentence)
    )
}

/// A field of a form, with its label and a hint. `rest` are more attributes, written here.
pub fn field(html: &mut String, name: &str, label: &str, hint: &str, value: &str, rest: &str) {
    let _ = write!(
        html,
        "<p class=\"field\"><label for=\"{name}\">{}</label>",
        Text(label)
    );
    let described = if hint.is_empty() {
        String::new()
    } else {
        let _ = write!(html, "<small id=\"{name}-hint\">{}</small>", Text(hint));
        format!(" aria-describedby=\"{name}-hint\"")
    };
    let _ = writeln!(
        html,
        "<input id=\"{name}\" name=\"{name}\" value=\"{}\"{described} {rest}></p>",
        Text(value)
    );
}

/// A table that is wider than a small screen scrolls in itself, by keyboard, too.
pub fn table(
    html: &mut String,
    caption: &str,
    heads: &[&str],
    write_rows: impl FnOnce(&mut String),
) {
    let _ = write!(
        html,
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\">\n<table>\n\
         <caption>{0}</caption>\n<thead><tr>",
        Text(caption)
    );
    for head in heads {
        let _ = write!(html, "<th scope=\"col\">{}</th>", Text(head));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    write_rows(html);
    html.push_str("</tbody>\n</table>\n</div>\n");
}

/// A fact and its value in a list of facts.
pub fn fact(html: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(
        html,
        "<div><dt>{}</dt><dd>{}</dd></div>",
        Text(name),
        Text(value)
    );
}
