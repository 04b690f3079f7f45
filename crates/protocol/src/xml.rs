//! Writes XML in exclusive canonical form (W3C xml-exc-c14n): the only place that escapes.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::Unsigned;

/// A namespace with the prefix that we write it with; an empty prefix is the default namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace {
    /// The prefix, without a colon.
    pub prefix: &'static str,
    /// The namespace name.
    pub uri: &'static str,
}

impl Namespace {
    /// Binds a prefix to a URI that stands in no need of escaping.
    pub const fn new(prefix: &'static str, uri: &'static str) -> Self {
        Self { prefix, uri }
    }

    /// The name of an element or attribute in this namespace.
    pub const fn name(self, local: &'static str) -> Name {
        Name {
            namespace: Some(self),
            local,
        }
    }
}

/// The name of an attribute, or of an element when made by [`Namespace::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    namespace: Option<Namespace>,
    local: &'static str,
}

impl Name {
    pub(crate) fn is_in(self, namespace: Namespace) -> bool {
        self.namespace == Some(namespace)
    }
}

/// The name of an attribute in no namespace.
pub const fn local(local: &'static str) -> Name {
    Name {
        namespace: None,
        local,
    }
}

/// `xml:lang` (XML 1.0 §2.12), whose prefix is never declared.
pub(crate) const LANG: Name = local("xml:lang");

/// Why a value cannot be written as XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotXml {
    /// XML 1.0 §2.2 has no place for this character, not even escaped.
    #[error("The character U+{:04X} cannot be written in XML.", u32::from(*.0))]
    Character(char),
    /// An ID that is not an NCName (XML Schema part 2 §3.3.8), so that no signature could refer to it.
    #[error("An ID must be a letter or an underscore, then letters, digits, '.', '-' or '_'.")]
    Id,
    /// SAML core 1.1 §2.4.4 asks for at least one value.
    #[error("The attribute {0:?} has no value.")]
    NoValue(String),
}

/// Writes elements so that the text is its own exclusive canonical form.
///
/// Namespaces are declared where they are first used, declarations and attributes come in canonical
/// order, and nothing is written between elements.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    /// The declarations in force, the innermost last.
    declared: Vec<Namespace>,
}

impl Writer {
    /// Starts with an empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one element, with `content` writing what is inside; a tag binds a prefix only once.
    pub fn element(
        &mut self,
        name: Name,
        attributes: &[(Name, &str)],
        content: impl FnOnce(&mut Self) -> Result<(), NotXml>,
    ) -> Result<(), NotXml> {
        let outside = self.declared.len();
        self.out.push('<');
        self.qualified(name);
        self.declare(name, attributes);
        self.attributes(attributes)?;
        self.out.push('>');
        content(self)?;
        self.out.push_str("</");
        self.qualified(name);
        self.out.push('>');
        self.declared.truncate(outside);
        Ok(())
    }

    /// Writes one element that holds text alone.
    pub fn leaf(
        &mut self,
        name: Name,
        attributes: &[(Name, &str)],
        text: &str,
    ) -> Result<(), NotXml> {
        self.element(name, attributes, |w| w.text(text))
    }

    /// Writes one element whose text is a qualified name, and binds the prefix of that name right there:
    /// nobody looks for prefixes inside of text.
    pub fn named(&mut self, name: Name, value: Name) -> Result<(), NotXml> {
        let outside = self.declared.len();
        self.out.push('<');
        self.qualified(name);
        self.declare(name, &[(value, "")]);
        self.out.push('>');
        self.qualified(value);
        self.out.push_str("</");
        self.qualified(name);
        self.out.push('>');
        self.declared.truncate(outside);
        Ok(())
    }

    /// Writes character data.
    pub fn text(&mut self, text: &str) -> Result<(), NotXml> {
        self.escaped(text, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '\r' => Some("&#xD;"),
            _ => None,
        })
    }

    /// Copies a finished element into this document, byte for byte, so that its signature holds.
    pub fn finished(&mut self, element: &str) {
        self.out.push_str(element);
    }

    /// The byte at which the next thing will be written.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.out
    }

    fn qualified(&mut self, name: Name) {
        if let Some(Namespace { prefix, .. }) = name.namespace
            && !prefix.is_empty()
        {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(name.local);
    }

    /// Declares what this tag uses and no ancestor has declared (xml-exc-c14n §3).
    fn declare(&mut self, element: Name, attributes: &[(Name, &str)]) {
        let outside = self.declared.len();
        let used = attributes.iter().map(|(name, _)| *name);
        for namespace in std::iter::once(element)
            .chain(used)
            .filter_map(|name| name.namespace)
        {
            let in_force = self
                .declared
                .iter()
                .rev()
                .find(|declared| declared.prefix == namespace.prefix);
            if in_force != Some(&namespace) {
                self.declared.push(namespace);
            }
        }
        self.declared[outside..].sort_unstable_by_key(|namespace| namespace.prefix);
        for Namespace { prefix, uri } in &self.declared[outside..] {
            self.out.push_str(" xmlns");
            if !prefix.is_empty() {
                self.out.push(':');
                self.out.push_str(prefix);
            }
            self.out.push_str("=\"");
            self.out.push_str(uri);
            self.out.push('"');
        }
    }

    /// Writes attributes by namespace, then by name (Canonical XML 1.0 §2.2).
    fn attributes(&mut self, attributes: &[(Name, &str)]) -> Result<(), NotXml> {
        let mut ordered = attributes.to_vec();
        ordered
            .sort_unstable_by_key(|(name, _)| (name.namespace.map_or("", |n| n.uri), name.local));
        for (name, value) in ordered {
            self.out.push(' ');
            self.qualified(name);
            self.out.push_str("=\"");
            self.escaped(value, |c| match c {
                '&' => Some("&amp;"),
                '<' => Some("&lt;"),
                '"' => Some("&quot;"),
                '\t' => Some("&#x9;"),
                '\n' => Some("&#xA;"),
                '\r' => Some("&#xD;"),
                _ => None,
            })?;
            self.out.push('"');
        }
        Ok(())
    }

    fn escaped(
        &mut self,
        value: &str,
        escape: impl Fn(char) -> Option<&'static str>,
    ) -> Result<(), NotXml> {
        let mut copied = 0;
        for (at, character) in value.char_indices() {
            if !is_allowed(character) {
                return Err(NotXml::Character(character));
            }
            if let Some(escaped) = escape(character) {
                self.out.push_str(&value[copied..at]);
                self.out.push_str(escaped);
                copied = at + character.len_utf8();
            }
        }
        self.out.push_str(&value[copied..]);
        Ok(())
    }
}

/// An xs:dateTime in UTC with milliseconds, as SAML core 1.1 §1.2.2 and WS-Security want it.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a document that waits for its signature; `content` writes what is inside and says where that goes.
pub(crate) fn unsigned(
    id: &str,
    name: Name,
    attributes: &[(Name, &str)],
    content: impl FnOnce(&mut Writer) -> Result<usize, NotXml>,
) -> Result<Unsigned, NotXml> {
    check_id(id)?;
    let mut writer = Writer::new();
    let mut signature_at = 0;
    writer.element(name, attributes, |w| {
        signature_at = content(w)?;
        Ok(())
    })?;
    Ok(Unsigned {
        xml: writer.into_string(),
        id: id.to_owned(),
        signature_at,
    })
}

/// Refuses what no `#id` reference could find: we write ASCII NCNames only.
fn check_id(id: &str) -> Result<(), NotXml> {
    let starts = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let continues = id
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if starts && continues {
        Ok(())
    } else {
        Err(NotXml::Id)
    }
}

/// XML 1.0 §2.2, production Char; a Rust `char` is never a surrogate.
fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Namespace = Namespace::new("a", "urn:z");
    const B: Namespace = Namespace::new("b", "urn:y");
    const DEFAULT: Namespace = Namespace::new("", "urn:x");
    const OTHER_DEFAULT: Namespace = Namespace::new("", "urn:w");

    /// Strings of everything that XML can carry, heavy in what it treats specially.
    pub(crate) fn any_text() -> impl Strategy<Value = String> {
        let special = prop::sample::select(vec![
            "&",
            "<",
            ">",
            "\"",
            "'",
            "\t",
            "\n",
            "\r",
            "\r\n",
            "]]>",
            "<!--",
            "&amp;",
            "&#13;",
            " ",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{fffd}",
            "\u{7f}",
            "\u{10ffff}",
        ])
        .prop_map(str::to_owned);
        let ordinary = any::<char>()
            .prop_filter("XML has no place for it", |c| is_allowed(*c))
            .prop_map(String::from);
        prop::collection::vec(prop_oneof![special, ordinary], 0..12).prop_map(|all| all.concat())
    }

    fn written(write: impl FnOnce(&mut Writer) -> Result<(), NotXml>) -> String {
        let mut writer = Writer::new();
        write(&mut writer).expect("nothing here is forbidden");
        writer.into_string()
    }

    #[test]
    fn text_is_escaped_as_canonical_xml_wants_it() {
        let text = written(|w| w.leaf(A.name("e"), &[], "<&>\"'\t\n\r]]>\u{85}"));
        assert_eq!(
            text,
            "<a:e xmlns:a=\"urn:z\">&lt;&amp;&gt;\"'\t\n&#xD;]]&gt;\u{85}</a:e>"
        );
    }

    #[test]
    fn attributes_are_escaped_as_canonical_xml_wants_it() {
        let text = written(|w| w.leaf(A.name("e"), &[(local("v"), "<&>\"'\t\n\r")], ""));
        assert_eq!(
            text,
            r#"<a:e xmlns:a="urn:z" v="&lt;&amp;>&quot;'&#x9;&#xA;&#xD;"></a:e>"#
        );
    }

    #[test]
    fn declarations_are_ordered_by_prefix_and_attributes_by_namespace() {
        let attributes = [
            (A.name("m"), "5"),
            (B.name("z"), "4"),
            (local("b"), "2"),
            (B.name("a"), "3"),
            (local("a"), "1"),
        ];
        assert_eq!(
            written(|w| w.leaf(DEFAULT.name("e"), &attributes, "")),
            r#"<e xmlns="urn:x" xmlns:a="urn:z" xmlns:b="urn:y" a="1" b="2" b:a="3" b:z="4" a:m="5"></e>"#
        );
    }

    #[test]
    fn a_prefix_is_declared_where_it_is_first_used_and_not_again_below() {
        let text = written(|w| {
            w.element(A.name("root"), &[], |w| {
                w.element(B.name("one"), &[], |w| w.leaf(A.name("in"), &[], ""))?;
                w.leaf(B.name("two"), &[], "")
            })
        });
        assert_eq!(
            text,
            r#"<a:root xmlns:a="urn:z"><b:one xmlns:b="urn:y"><a:in></a:in></b:one><b:two xmlns:b="urn:y"></b:two></a:root>"#
        );
    }

    #[test]
    fn the_default_namespace_is_declared_anew_when_it_changes_and_when_it_changes_back() {
        let text = written(|w| {
            w.element(DEFAULT.name("a"), &[], |w| {
                w.element(OTHER_DEFAULT.name("b"), &[], |w| {
                    w.leaf(DEFAULT.name("c"), &[], "")
                })?;
                w.leaf(DEFAULT.name("d"), &[], "")
            })
        });
        assert_eq!(
            text,
            r#"<a xmlns="urn:x"><b xmlns="urn:w"><c xmlns="urn:x"></c></b><d></d></a>"#
        );
    }

    #[test]
    fn characters_outside_xml_are_refused_in_text_and_in_attributes() {
        let forbidden = ('\0'..' ')
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .chain(['\u{fffe}', '\u{ffff}']);
        for character in forbidden {
            let value = format!("a{character}b");
            let refused = Err(NotXml::Character(character));
            assert_eq!(Writer::new().text(&value), refused);
            let attributes = [(local("v"), &*value)];
            assert_eq!(Writer::new().leaf(A.name("e"), &attributes, ""), refused);
        }
    }

    #[test]
    fn an_id_is_an_ascii_nc_name() {
        for good in ["_", "_0af", "a.b-c_d9"] {
            assert_eq!(check_id(good), Ok(()), "{good:?}");
        }
        for bad in ["", "9a", "-a", ".a", "a b", "a:b", "a\"b", "a#", "_\u{e9}"] {
            assert_eq!(check_id(bad), Err(NotXml::Id), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(text in any_text(), value in any_text()) {
            let xml = written(|w| w.leaf(A.name("e"), &[(B.name("v"), &value)], &text));
            let document = roxmltree::Document::parse(&xml).expect("we wrote well-formed XML");
            let root = document.root_element();
            prop_assert_eq!(root.text().unwrap_or_default(), text);
            prop_assert_eq!(root.attribute((B.uri, "v")), Some(&*value));
            prop_assert_eq!(root.children().filter(|child| !child.is_text()).count(), 0);
        }
    }
}
