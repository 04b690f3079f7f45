//! Check 59: what clients make of an assertion on its way: the same XML in other letters.
//!
//! Works on the letters, because that is what the clients' writers change. Only text that the strict reader has
//! taken comes here.

/// A start tag as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTag<'a> {
    pub name: &'a str,
    /// With the references in their values as they are.
    pub attributes: Vec<(&'a str, &'a str)>,
    is_empty: bool,
    length: usize,
}

/// The start tag with which this text begins.
pub fn start_tag(text: &str) -> Option<StartTag<'_>> {
    let rest = text.strip_prefix('<')?;
    let end = rest.find(|letter: char| letter.is_ascii_whitespace() || "/>".contains(letter))?;
    let (name, mut rest) = rest.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        let is_empty = rest.starts_with('/');
        let after = if is_empty { &rest[1..] } else { rest };
        if let Some(after) = after.strip_prefix('>') {
            return Some(StartTag {
                name,
                attributes,
                is_empty,
                length: text.len() - after.len(),
            });
        }
        let (attribute, after) = rest.split_once('=')?;
        let after = after.trim_ascii_start();
        let quote = after.chars().next()?;
        let (value, after) = after.strip_prefix(quote)?.split_once(quote)?;
        attributes.push((attribute.trim_ascii_end(), value));
        rest = after;
    }
}

/// Attributes and declarations in alphabetical order, empty elements short: MSAL Java's writer.
pub fn sorted(text: &str) -> Option<String> {
    let mut written = String::with_capacity(text.len());
    let mut pieces = pieces(text)?.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Start(mut tag) => {
                tag.attributes.sort_unstable();
                tag.is_empty |= pieces
                    .next_if(|next| matches!(next, Piece::End(_)))
                    .is_some();
                write(&mut written, &tag);
            }
            Piece::End(text) | Piece::Other(text) => written.push_str(text),
        }
    }
    Some(written)
}

/// Without the declarations that repeat what holds already: `OmitDuplicateNamespaces` of .NET's writer.
pub fn without_duplicates(text: &str) -> Option<String> {
    let mut written = String::with_capacity(text.len());
    // What each open element declares.
    let mut scopes: Vec<Vec<(&str, &str)>> = Vec::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Start(mut tag) => {
                let holds = |(prefix, uri): &(&str, &str)| {
                    let mut declared = scopes.iter().rev().flatten();
                    let found = declared.find(|(declared, _)| declared == prefix);
                    found.is_some_and(|(_, declared)| declared == uri)
                };
                tag.attributes
                    .retain(|attribute| !(is_declaration(attribute) && holds(attribute)));
                let declared = tag.attributes.iter().copied().filter(is_declaration);
                if !tag.is_empty {
                    scopes.push(declared.collect());
                }
                write(&mut written, &tag);
            }
            Piece::End(text) => {
                scopes.pop();
                written.push_str(text);
            }
            Piece::Other(text) => written.push_str(text),
        }
    }
    Some(written)
}

enum Piece<'a> {
    Start(StartTag<'a>),
    End(&'a str),
    /// Text, a comment, an instruction.
    Other(&'a str),
}

fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let closed = |end: &str| rest.find(end).map(|at| at + end.len());
        let (piece, length) = if rest.starts_with("<!--") {
            let length = closed("-->")?;
            (Piece::Other(&rest[..length]), length)
        } else if rest.starts_with("<![CDATA[") {
            let length = closed("]]>")?;
            (Piece::Other(&rest[..length]), length)
        } else if rest.starts_with("<?") {
            let length = closed("?>")?;
            (Piece::Other(&rest[..length]), length)
        } else if rest.starts_with("</") {
            let length = closed(">")?;
            (Piece::End(&rest[..length]), length)
        } else if rest.starts_with('<') {
            let tag = start_tag(rest)?;
            let length = tag.length;
            (Piece::Start(tag), length)
        } else {
            let length = rest.find('<').unwrap_or(rest.len());
            (Piece::Other(&rest[..length]), length)
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    Some(pieces)
}

fn is_declaration((name, _): &(&str, &str)) -> bool {
    *name == "xmlns" || name.starts_with("xmlns:")
}

fn write(written: &mut String, tag: &StartTag) {
    written.extend(["<", tag.name]);
    for (name, value) in &tag.attributes {
        written.extend([" ", name, "=\"", &value.replace('"', "&quot;"), "\""]);
    }
    written.push_str(if tag.is_empty { "/>" } else { ">" });
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<a:x xmlns:a='urn:a' z = '\"' b=\"'>\" a:c=\"&lt;\" ><a:y xmlns:a=\"urn:a\" \
        xmlns=\"urn:d\"></a:y><!-- <a> --><a:z xmlns:a='urn:b'/> <![CDATA[<a>]]></a:x>";

    #[test]
    fn sorting_changes_the_order_and_nothing_else() {
        assert_eq!(
            sorted(TEXT).expect("it is XML"),
            "<a:x a:c=\"&lt;\" b=\"'>\" xmlns:a=\"urn:a\" z=\"&quot;\"><a:y xmlns=\"urn:d\" xmlns:a=\"urn:a\"/>\
             <!-- <a> --><a:z xmlns:a=\"urn:b\"/> <![CDATA[<a>]]></a:x>"
        );
    }

    #[test]
    fn declarations_that_hold_already_are_left_out() {
        assert_eq!(
            without_duplicates(TEXT).expect("it is XML"),
            "<a:x xmlns:a=\"urn:a\" z=\"&quot;\" b=\"'>\" a:c=\"&lt;\"><a:y xmlns=\"urn:d\"></a:y>\
             <!-- <a> --><a:z xmlns:a=\"urn:b\"/> <![CDATA[<a>]]></a:x>"
        );
        let nested = "<x xmlns='a'><y xmlns='b'><z xmlns='a'/></y><z xmlns='a'/></x>";
        assert_eq!(
            without_duplicates(nested).expect("it is XML"),
            "<x xmlns=\"a\"><y xmlns=\"b\"><z xmlns=\"a\"/></y><z/></x>"
        );
    }
}
