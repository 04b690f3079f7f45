//! The one reader of XML from outside, and the limits that it keeps before a tree is built.

use roxmltree::{Document, Node, ParsingOptions};

/// Reads a document in UTF-8 without a document type declaration, within `limits`.
pub fn read<'a>(xml: &'a [u8], limits: &Limits) -> Result<Document<'a>, NotRead> {
    if xml.len() > limits.bytes {
        return Err(NotRead::TooLarge);
    }
    let text = std::str::from_utf8(xml).map_err(|_| NotRead::NotUtf8)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    declared_as_we_read_it(text)?;
    // XML §2.11 makes a line feed of it, which the parser forgets next to references.
    if text.split('\r').skip(1).any(|line| !line.starts_with('\n')) {
        return Err(NotRead::CarriageReturn);
    }
    measure(text.as_bytes(), limits)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: limits.nodes,
        entity_resolver: None,
    };
    Document::parse_with_options(text, options).map_err(|cause| match cause {
        roxmltree::Error::DtdDetected => NotRead::DocumentType,
        roxmltree::Error::NodesLimitReached => NotRead::TooManyNodes,
        other => NotRead::Malformed(other),
    })
}

/// The whole text of an element: a comment inside of a name must not cut it short.
pub fn text_of(element: Node<'_, '_>) -> String {
    let texts = element.children().filter(Node::is_text);
    texts.filter_map(|text| text.text()).collect()
}

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its bytes.
    pub bytes: usize,
    /// The depth of its elements.
    pub depth: usize,
    /// The attributes of one element, namespace declarations among them.
    pub attributes: usize,
    /// The nodes of its tree.
    pub nodes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024,
            depth: 64,
            attributes: 64,
            nodes: 100_000,
        }
    }
}

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// More bytes than the limit.
    #[error("the document is too large")]
    TooLarge,
    /// Not UTF-8, or declared as something else.
    #[error("the document is not in UTF-8")]
    NotUtf8,
    /// Not declared as XML 1.0 is.
    #[error("the document is not XML 1.0")]
    NotXml10,
    /// A carriage return that does not belong to a line end.
    #[error("the document has a carriage return without a line feed")]
    CarriageReturn,
    /// A document type declaration, which can define entities.
    #[error("the document has a document type declaration")]
    DocumentType,
    /// Elements nested deeper than the limit.
    #[error("the document is nested too deeply")]
    TooDeep,
    /// An element with more attributes than the limit.
    #[error("an element has too many attributes")]
    TooManyAttributes,
    /// An element with more namespace declarations in scope than any honest document has.
    #[error("an element has too many namespaces in scope")]
    TooManyNamespaces,
    /// More nodes than the limit.
    #[error("the document has too many parts")]
    TooManyNodes,
    /// Not well-formed.
    #[error("the document is not well-formed XML")]
    Malformed(#[source] roxmltree::Error),
}

/// The tree builder compares all of them with each other in every element that declares another.
const NAMESPACES_IN_SCOPE: usize = 32;

/// The parser ignores what the XML declaration says (XML §2.8); another reader might not.
fn declared_as_we_read_it(text: &str) -> Result<(), NotRead> {
    let Some(declaration) = text
        .strip_prefix("<?xml ")
        .and_then(|rest| rest.split_once("?>"))
    else {
        return Ok(());
    };
    let declared = |name: &str| {
        let (_, rest) = declaration.0.split_once(name)?;
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        value[1..].split_once(quote).map(|(value, _)| value)
    };
    if declared("version").is_some_and(|version| version != "1.0") {
        return Err(NotRead::NotXml10);
    }
    match declared("encoding") {
        Some(encoding) if !encoding.eq_ignore_ascii_case("utf-8") => Err(NotRead::NotUtf8),
        _ => Ok(()),
    }
}

/// Counts depth, attributes and namespaces without building anything.
///
/// Exact for well-formed text. In other text it may lose count, but only behind the place where the parser stops.
fn measure(mut rest: &[u8], limits: &Limits) -> Result<(), NotRead> {
    // The namespace declarations in scope in each open element.
    let mut open: Vec<usize> = Vec::new();
    while let Some(at) = rest.iter().position(|&byte| byte == b'<') {
        rest = &rest[at..];
        if rest.starts_with(b"<!--") {
            rest = after(&rest[4..], b"-->");
        } else if rest.starts_with(b"<![CDATA[") {
            rest = after(rest, b"]]>");
        } else if rest.starts_with(b"<!") {
            return Err(NotRead::DocumentType);
        } else if rest.starts_with(b"<?") {
            if is_odd_declaration(rest) {
                return Err(NotRead::NotXml10);
            }
            rest = after(rest, b"?>");
        } else if rest.starts_with(b"</") {
            open.pop();
            rest = after(rest, b">");
        } else {
            let tag = StartTag::measure(rest);
            let in_scope = open.last().unwrap_or(&0) + tag.namespaces;
            if tag.attributes > limits.attributes {
                return Err(NotRead::TooManyAttributes);
            }
            if in_scope > NAMESPACES_IN_SCOPE {
                return Err(NotRead::TooManyNamespaces);
            }
            if open.len() >= limits.depth {
                return Err(NotRead::TooDeep);
            }
            if !tag.is_empty {
                open.push(in_scope);
            }
            rest = &rest[tag.length..];
        }
    }
    Ok(())
}

/// An instruction with the reserved name (XML §2.6) that the parser does not see as a declaration, as others might.
fn is_odd_declaration(instruction: &[u8]) -> bool {
    let name = instruction[2..]
        .split(|byte| byte.is_ascii_whitespace() || *byte == b'?')
        .next();
    name.is_some_and(|name| name.eq_ignore_ascii_case(b"xml"))
        && !instruction.starts_with(b"<?xml ")
}

fn after<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    let at = text.windows(end.len()).position(|window| window == end);
    at.map_or(&[], |at| &text[at + end.len()..])
}

struct StartTag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    is_empty: bool,
}

impl StartTag {
    fn measure(text: &[u8]) -> Self {
        let mut tag = Self {
            length: text.len(),
            attributes: 0,
            namespaces: 0,
            is_empty: false,
        };
        let mut quote = None;
        let mut previous = b' ';
        for (at, &byte) in text.iter().enumerate() {
            match quote {
                Some(open) if byte == open => quote = None,
                Some(_) => {}
                None if byte == b'>' => {
                    tag.length = at + 1;
                    tag.is_empty = previous == b'/';
                    break;
                }
                None => {
                    tag.attributes += usize::from(byte == b'=');
                    let is_namespace =
                        previous.is_ascii_whitespace() && text[at..].starts_with(b"xmlns");
                    tag.namespaces += usize::from(is_namespace);
                    quote = matches!(byte, b'"' | b'\'').then_some(byte);
                }
            }
            previous = byte;
        }
        tag
    }
}
