//! What Microsoft's error codes mean here, and what this installation has to say about them.

mod advice;
mod codes;

pub use advice::{Advice, Facts};
pub use codes::SECTIONS;

/// Codes that have to do with the same thing.
#[derive(Debug)]
pub struct Section {
    pub title: &'static str,
    pub entries: &'static [Entry],
}

/// Codes that mean the same. In the texts, what stands between backticks is code.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Digits for `AADSTS…`, `0x…` for Windows, `graph-…` for the status of Microsoft Graph.
    pub codes: &'static [&'static str],
    pub title: &'static str,
    pub means: &'static str,
    /// The usual cause with us.
    pub cause: &'static str,
    pub look: &'static str,
    /// What of this installation it has to do with.
    pub topic: Topic,
}

/// What of this installation a code has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Issuer,
    Anchor,
    Certificate,
    Clock,
    Protocol,
    SecondFactor,
    Password,
    Windows,
    /// Nothing that is kept here.
    None,
}

/// A code that somebody asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(String);

/// What is known of a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    Exactly(&'static Entry),
    /// Microsoft makes finer codes by adding digits to a coarser one.
    ByItsParent(&'static Entry),
    /// Only what its class is about, in a sentence.
    ByItsClass(&'static str),
}

impl Code {
    /// `AADSTS50107` or `50107`, `0xC000006D`, `graph-409`; `None` for what is no code.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.strip_prefix("aadsts").unwrap_or(&text);
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (5..=8).contains(&digits.len()) && is_digits(digits) {
            return Some(Self(digits.to_owned()));
        }
        let hex = text
            .strip_prefix("0x")
            .is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let graph = text
            .strip_prefix("graph-")
            .is_some_and(|status| status.len() == 3 && is_digits(status));
        if codes().any(|code| code == digits) {
            return Some(Self(digits.to_owned())); // a whole class, such as 80xxx
        }
        (hex || graph).then_some(Self(text))
    }

    /// As it stands in addresses.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As Microsoft writes it.
    pub fn shown(&self) -> String {
        shown(&self.0)
    }

    pub fn known(&self) -> Known {
        let find = |code: &str| entries().find(|entry| entry.codes.contains(&code));
        if let Some(entry) = find(&self.0) {
            return Known::Exactly(entry);
        }
        if let Some(entry) = self.0.get(..5).and_then(find) {
            return Known::ByItsParent(entry);
        }
        let class = self
            .0
            .get(..2)
            .and_then(|class| find(&format!("{class}xxx")));
        match class {
            Some(entry) if self.0.len() == 5 => Known::Exactly(entry),
            _ => Known::ByItsClass(class_of(&self.0)),
        }
    }
}

/// A code as Microsoft writes it.
pub fn shown(code: &str) -> String {
    match code.strip_prefix("graph-") {
        Some(status) => format!("Graph {status}"),
        None if code.starts_with("0x") => code.to_owned(),
        None => format!("AADSTS{code}"),
    }
}

/// What the codes with these first digits are about.
fn class_of(code: &str) -> &'static str {
    if code.starts_with("0xcaa") {
        return "Codes that begin with 0xcaa are of the library by which Windows and its applications ask Microsoft for tokens. The error behind it stands beside it in the log AAD/Operational.";
    }
    if code.starts_with("0x") {
        return "This is a code of Windows. The logs AAD/Operational and AAD/Analytic on the PC say what led to it.";
    }
    if code.starts_with("graph-") {
        return "This is a status of Microsoft Graph, which the federation commands talk to. The text beside it says what was refused.";
    }
    match code.get(..2).unwrap_or_default() {
        "12" | "16" | "17" => {
            "Codes that begin like this are about choosing an account or a session at Microsoft."
        }
        "20" => {
            "Codes that begin with 20 are about the answer of a federated identity provider, or its metadata."
        }
        "50" | "51" => {
            "Codes that begin with 50 and 51 are about the sign-in itself: the account, its password or second factor, the token of a federated provider, or a rule of the tenant."
        }
        "53" => {
            "Codes that begin with 53 are about Conditional Access and other rules of the tenant, not about the federation."
        }
        "65" => {
            "Codes that begin with 65 are about consent to an application at Microsoft, not about the federation."
        }
        "70" => {
            "Codes that begin with 70 are about an application's own request to Microsoft (OAuth), not about the federation."
        }
        "75" | "76" => {
            "Codes that begin with 75 and 76 are about SAML messages, mostly those of applications that Microsoft signs people in to."
        }
        "80" | "81" => {
            "Codes that begin with 80 are about pass-through authentication, those with 81 about seamless single sign-on: other ways to sign in than a federation."
        }
        "90" => {
            "Codes that begin with 90 are about a request that Microsoft could not read or place."
        }
        _ => "Nothing here says what this code is about.",
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    SECTIONS.iter().flat_map(|section| section.entries)
}

fn codes() -> impl Iterator<Item = &'static str> {
    entries().flat_map(|entry| entry.codes.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Write as _;

    use super::*;

    fn known(text: &str) -> Known {
        Code::parse(text).expect("a code").known()
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for (written, title) in [
            ("AADSTS50107", "No domain has this issuer"),
            ("50107", "No domain has this issuer"),
            (" aadsts50107 ", "No domain has this issuer"),
            ("0xC000006D", "Windows: name or password refused"),
            ("graph-409", "The issuer is in use"),
            (
                "80002",
                "Pass-through authentication, seamless single sign-on",
            ),
            (
                "81xxx",
                "Pass-through authentication, seamless single sign-on",
            ),
        ] {
            match known(written) {
                Known::Exactly(entry) => assert_eq!(entry.title, title, "{written}"),
                other => panic!("{written}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_finer_code_leads_to_its_parent_and_an_unknown_one_to_its_class() {
        assert!(matches!(known("5000899"), Known::ByItsParent(entry) if entry.codes == ["50008"]));
        assert!(matches!(known("70011"), Known::ByItsClass(text) if text.contains("OAuth")));
        assert!(matches!(known("0xcaa12345"), Known::ByItsClass(text) if text.contains("library")));
        assert!(matches!(known("0x80004005"), Known::ByItsClass(text) if text.contains("Windows")));
        assert!(matches!(known("99999"), Known::ByItsClass(text) if text.contains("Nothing")));
    }

    #[test]
    fn what_is_no_code_is_none() {
        for text in [
            "",
            "5010",
            "123456789",
            "AADSTS",
            "AADSTS5010x",
            "0xc000006",
            "0xc000006dd",
            "0xzzzzzzzz",
            "<script>",
            "graph-4090",
            "50107'",
            "AADSTSAADSTS50107",
            "５０１０７",
        ] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_code_stands_twice_and_every_code_is_one() {
        let mut seen = HashSet::new();
        for code in codes() {
            assert!(seen.insert(code), "{code} stands twice");
            assert_eq!(Code::parse(code).expect("a code").as_str(), code);
            assert_eq!(
                Code::parse(&shown(code)).is_some(),
                !code.starts_with("graph-"),
                "{code}"
            );
        }
        assert!(seen.len() >= 90, "{}", seen.len());
    }

    #[test]
    fn the_texts_are_whole() {
        for entry in entries() {
            for text in [entry.means, entry.cause, entry.look] {
                assert!(text.ends_with(['.', '?']), "{text}");
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
                assert!(!text.contains(['|', '\n', '<']), "{text}");
            }
        }
    }

    /// The tables of docs/troubleshooting.md.
    fn document() -> String {
        let mut text = String::new();
        for section in SECTIONS {
            let _ = writeln!(text, "## {}\n", section.title);
            text.push_str("| Code | Means | Usual cause | Look at |\n|---|---|---|---|\n");
            for entry in section.entries {
                let codes: Vec<String> = entry.codes.iter().map(|code| shown(code)).collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} |",
                    codes.join(", "),
                    entry.means,
                    entry.cause,
                    entry.look
                );
            }
            text.push('\n');
        }
        text
    }

    #[test]
    fn the_document_says_what_the_page_says() {
        let found = include_str!("../../../docs/troubleshooting.md");
        let document = document();
        assert!(
            found.contains(document.trim_end()),
            "docs/troubleshooting.md must have these tables:\n\n{document}"
        );
    }
}
