//! Exclusive XML Canonicalization 1.0 without comments (W3C xml-exc-c14n).

use roxmltree::{Attribute, Node, NodeType};

/// The canonical form of `apex` and what is in it.
///
/// `without` is left out together with its content, as the enveloped-signature transform asks. `inclusive` is the
/// `PrefixList` of `ec:InclusiveNamespaces`, in which `#default` stands for the default namespace.
pub fn canonicalize<'a>(
    apex: Node<'a, '_>,
    without: Option<Node<'a, '_>>,
    inclusive: &[&'a str],
) -> String {
    let mut writer = Writer {
        out: String::new(),
        inclusive,
        rendered: Vec::new(),
        levels: Vec::new(),
    };
    // A walk without recursion: the depth of a document is not ours to choose.
    let mut node = apex;
    loop {
        let skipped = Some(node) == without;
        if !skipped {
            writer.open(node);
        }
        match node.first_child().filter(|_| !skipped) {
            Some(child) => node = child,
            None => loop {
                if Some(node) != without {
                    writer.close(node);
                }
                if node == apex {
                    return writer.out;
                }
                if let Some(sibling) = node.next_sibling() {
                    node = sibling;
                    break;
                }
                node = node.parent().expect("a node below the apex has a parent");
            },
        }
    }
}

struct Writer<'a, 'p> {
    out: String,
    inclusive: &'p [&'a str],
    /// The namespace declarations written and still in force, innermost last, as (prefix, URI).
    rendered: Vec<(&'a str, &'a str)>,
    /// How many were in force outside of each open element.
    levels: Vec<usize>,
}

impl<'a> Writer<'a, '_> {
    fn open(&mut self, node: Node<'a, '_>) {
        match node.node_type() {
            NodeType::Element => self.start_tag(node),
            NodeType::Text => self.escape(node.text().unwrap_or_default(), text_escape),
            NodeType::PI => self.processing_instruction(node),
            NodeType::Comment | NodeType::Root => {}
        }
    }

    fn close(&mut self, node: Node<'a, '_>) {
        if node.is_element() {
            self.out.extend(["</", qname(node), ">"]);
            let outside = self.levels.pop().expect("each end tag has its start tag");
            self.rendered.truncate(outside);
        }
    }

    fn start_tag(&mut self, element: Node<'a, '_>) {
        self.out.extend(["<", qname(element)]);
        self.levels.push(self.rendered.len());
        self.declarations(element);
        let mut attributes: Vec<_> = element.attributes().collect();
        attributes
            .sort_by_key(|attribute| (attribute.namespace().unwrap_or_default(), attribute.name()));
        for attribute in attributes {
            self.attribute(attribute_qname(element, &attribute), attribute.value());
        }
        self.out.push('>');
    }

    /// The declarations that the element needs visibly, or that `inclusive` names, and that are not in force yet
    /// (xml-exc-c14n §3).
    fn declarations(&mut self, element: Node<'a, '_>) {
        let mut prefixes = vec![prefix(qname(element))];
        let attributes = element
            .attributes()
            .map(|attribute| prefix(attribute_qname(element, &attribute)));
        prefixes.extend(attributes.filter(|prefix| !prefix.is_empty()));
        prefixes.extend(
            self.inclusive
                .iter()
                .map(|&name| if name == "#default" { "" } else { name }),
        );
        prefixes.sort_unstable();
        prefixes.dedup();
        for prefix in prefixes {
            let uri = element
                .lookup_namespace_uri((!prefix.is_empty()).then_some(prefix))
                .unwrap_or_default();
            if prefix == "xml" || uri == self.in_force(prefix) {
                continue;
            }
            self.rendered.push((prefix, uri));
            match prefix {
                "" => self.attribute("xmlns", uri),
                _ => self.attribute(&format!("xmlns:{prefix}"), uri),
            }
        }
    }

    fn in_force(&self, prefix: &str) -> &'a str {
        let innermost = self.rendered.iter().rev().find(|(name, _)| *name == prefix);
        innermost.map(|(_, uri)| *uri).unwrap_or_default()
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.extend([" ", name, "=\""]);
        self.escape(value, attribute_escape);
        self.out.push('"');
    }

    fn processing_instruction(&mut self, node: Node<'a, '_>) {
        let pi = node.pi().expect("the caller has looked at the node's type");
        self.out.extend(["<?", pi.target]);
        if let Some(value) = pi.value {
            // The parser leaves the line ends of XML §2.11 to us here, and only here.
            self.out.extend([" ", &value.replace("\r\n", "\n")]);
        }
        self.out.push_str("?>");
    }

    fn escape(&mut self, text: &str, escape: fn(u8) -> Option<&'static str>) {
        let mut written = 0;
        for (position, byte) in text.bytes().enumerate() {
            if let Some(escaped) = escape(byte) {
                self.out.extend([&text[written..position], escaped]);
                written = position + 1;
            }
        }
        self.out.push_str(&text[written..]);
    }
}

/// xml-c14n §2.3, text nodes.
fn text_escape(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

/// xml-c14n §2.3, attribute nodes.
fn attribute_escape(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

/// The name as it is spelled in the document; the tree itself forgets prefixes.
fn qname<'a>(element: Node<'a, '_>) -> &'a str {
    let tag = &element.document().input_text()[element.range()][1..];
    let end = tag
        .find([' ', '\t', '\r', '\n', '/', '>'])
        .unwrap_or(tag.len());
    &tag[..end]
}

fn attribute_qname<'a>(element: Node<'a, '_>, attribute: &Attribute<'a, '_>) -> &'a str {
    &element.document().input_text()[attribute.range_qname()]
}

fn prefix(qname: &str) -> &str {
    qname.split_once(':').map_or("", |(prefix, _)| prefix)
}
