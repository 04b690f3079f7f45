//! The little XML that the stand-in writes, as it is sent and as it is signed.

/// An element; its attributes have no prefix, but for namespace declarations.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Child>,
}

#[derive(Clone, Debug)]
enum Child {
    Element(Element),
    Text(String),
}

impl Element {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    pub fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Child::Text(text.into()));
        self
    }

    pub fn child(mut self, child: Self) -> Self {
        self.children.push(Child::Element(child));
        self
    }

    /// Puts a child behind the first.
    pub fn second(mut self, child: Self) -> Self {
        self.children.insert(1, Child::Element(child));
        self
    }

    /// As Entra ID sends it: attributes in the order in which they were given, empty elements short.
    pub fn sent(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, Some("/>"));
        text
    }

    /// In exclusive canonical form (xml-exc-c14n), provided that each namespace is declared where it is used first.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.sorted().write(&mut text, None);
        text
    }

    fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted
            .attributes
            .sort_by_key(|(name, _)| (!name.starts_with("xmlns"), *name));
        for child in &mut sorted.children {
            if let Child::Element(element) = child {
                *element = element.sorted();
            }
        }
        sorted
    }

    /// `short` ends an empty element, if it has a short form.
    fn write(&self, text: &mut String, short: Option<&str>) {
        text.extend(["<", self.name]);
        for (name, value) in &self.attributes {
            text.extend([" ", name, "=\"", &escaped(value, '"'), "\""]);
        }
        if let (Some(end), true) = (short, self.children.is_empty()) {
            text.push_str(end);
            return;
        }
        text.push('>');
        for child in &self.children {
            match child {
                Child::Element(element) => element.write(text, short),
                Child::Text(value) => text.push_str(&escaped(value, '>')),
            }
        }
        text.extend(["</", self.name, ">"]);
    }
}

/// Escapes as canonical XML does (xml-c14n §2.3); `special` is what text or an attribute escapes besides.
fn escaped(value: &str, special: char) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' if special == '>' => text.push_str("&gt;"),
            '"' if special == '"' => text.push_str("&quot;"),
            // XML has no way to write most of them, and what we write needs none.
            letter if letter.is_control() => text.push('\u{fffd}'),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_what_is_signed_differ_in_order_and_in_empty_elements() {
        let element = Element::new("a:b")
            .attribute("xmlns:a", "urn:a")
            .attribute("Z", "<\"&>\n")
            .attribute("A", "1")
            .child(Element::new("a:c").text("x>\"y"))
            .second(Element::new("a:d"));
        assert_eq!(
            element.sent(),
            "<a:b xmlns:a=\"urn:a\" Z=\"&lt;&quot;&amp;>\u{fffd}\" A=\"1\"><a:c>x&gt;\"y</a:c><a:d/></a:b>"
        );
        assert_eq!(
            element.canonical(),
            "<a:b xmlns:a=\"urn:a\" A=\"1\" Z=\"&lt;&quot;&amp;>\u{fffd}\"><a:c>x&gt;\"y</a:c><a:d></a:d></a:b>"
        );
    }
}
