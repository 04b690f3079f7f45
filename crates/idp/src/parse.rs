//! The door: text from outside becomes a value that cannot be wrong, or an error that says what is.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use store::Source;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::error::{Error, Refusal, Result};

fn invalid<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

/// What is safe to repeat of a wrong value: short, and without characters that cannot be seen.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .map(|c| if is_unseen(c) { '\u{FFFD}' } else { c })
        .collect()
}

/// Control characters, and those that turn or hide what stands around them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// A DNS domain name in lower case, such as `contoso.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Letters, digits and hyphens in at least two labels; internationalised names as `xn--…`.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.trim().to_ascii_lowercase();
        // Not taken as it is: a letter of another alphabet may look like the one that was meant.
        if !name.is_ascii()
            && let Ok(Host::Domain(ascii)) = Host::parse(&name)
        {
            return invalid(format!(
                "“{}” has letters that are not ASCII, and some look like others; if it is the domain that you mean, write it as {ascii}",
                shown(text)
            ));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let top = name.rsplit('.').next().unwrap_or_default();
        if name.len() > 253
            || !name.contains('.')
            || !name.split('.').all(label)
            || top.bytes().all(|b| b.is_ascii_digit())
        {
            return invalid(format!(
                "“{}” is not a domain name such as contoso.com",
                shown(text)
            ));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A domain that can be federated: one of the admin's own.
    pub fn to_federate(text: &str) -> Result<Self> {
        let domain = Self::parse(text)?;
        if domain.is_within("onmicrosoft.com") {
            return invalid(
                "an onmicrosoft.com domain cannot be federated; name a domain of your own",
            );
        }
        Ok(domain)
    }

    /// Whether this is `other` or one of its sub-domains; Entra counts a sub-domain as its root.
    pub fn is_within(&self, other: &str) -> bool {
        self.0 == other
            || self
                .0
                .strip_suffix(other)
                .is_some_and(|rest| rest.ends_with('.'))
    }
}

/// An internationalised name as people write it; `None` when there is nothing to translate.
pub fn in_unicode(domain: &str) -> Option<String> {
    let unicode = url::quirks::domain_to_unicode(domain);
    (!unicode.is_empty() && unicode != domain).then_some(unicode)
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user principal name, `alice@contoso.com`: kept as written, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upn {
    text: String,
    domain: Domain,
}

impl Upn {
    /// The characters that Entra allows: letters, digits and `' . - _ ! # ^ ~` before the `@`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let Some((local, domain)) = text.split_once('@') else {
            return invalid(format!(
                "“{}” is not a user principal name such as alice@contoso.com",
                shown(text)
            ));
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'.-_!#^~".contains(&b);
        if !(1..=64).contains(&local.len())
            || !local.bytes().all(allowed)
            || local.starts_with('.')
            || local.ends_with('.')
        {
            return invalid(format!(
                "“{}” cannot be a user principal name: before the @ it takes 1 to 64 letters, digits and ' . - _ ! # ^ ~",
                shown(text)
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            domain: Domain::parse(domain)?,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form that is unique: all in lower case, which is exact because a UPN is ASCII.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

/// An app's id as it stands in addresses: 24 lower-case hexadecimal digits.
pub fn app_id(text: &str) -> Result<String, Refusal> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 24 && text.bytes().all(hex) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::UnknownApp)
    }
}

/// A name for people to read: trimmed, 1 to 200 characters, no control characters.
pub fn name(what: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 {
        return invalid(format!("the {what} must have 1 to 200 characters"));
    }
    if text
        .chars()
        .any(|c| c.is_control() || ('\u{FFFE}'..='\u{FFFF}').contains(&c))
    {
        return invalid(format!("the {what} must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// A new password: at least 8 characters, at most 1024 bytes (NIST SP 800-63B §3.1.1).
pub fn new_password(text: Zeroizing<String>) -> Result<Zeroizing<String>> {
    if text.chars().count() < 8 {
        return invalid("the password must have at least 8 characters");
    }
    if text.len() > 1024 {
        return invalid("the password must have at most 1024 bytes");
    }
    Ok(text)
}

/// An ImmutableID (Entra's sourceAnchor): kept as it is, at most 64 characters. `$` and `_` are refused
/// because Entra refuses them, and whatever is no ASCII letter, digit or `+ / = . - @ { }` with them.
pub fn immutable_id(text: &str) -> Result<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+/=.-@{}".contains(&b);
    if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
        return invalid(format!(
            "“{}” cannot be an ImmutableID: it takes 1 to 64 letters, digits and + / = . - @ {{ }} (never $ or _)",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// An address that tokens are posted to: absolute, https (plain http only to this machine), and written
/// so that it can be compared as text: no user name, no fragment.
pub fn reply_url(what: &str, text: &str) -> Result<String> {
    let Ok(url) = Url::parse(text) else {
        return invalid(format!(
            "the {what} “{}” is not an absolute URL",
            shown(text)
        ));
    };
    let to_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && to_this_machine) {
        return invalid(format!(
            "the {what} “{}” must begin with https:// (http:// only for localhost)",
            shown(text)
        ));
    }
    if url.host().is_none()
        || !url.username().is_empty()
        || url.password().is_some()
        || url.fragment().is_some()
    {
        return invalid(format!(
            "the {what} “{}” must have a host and neither a user name nor a fragment",
            shown(text)
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) || text.len() > 2000 {
        return invalid(format!(
            "the {what} “{}” must be ASCII without spaces, at most 2000 characters",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// A network in CIDR notation, or a single address as the network that holds nothing else.
pub fn network(text: &str) -> Result<IpNet> {
    let text = text.trim();
    let read = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(network) = read else {
        return invalid(format!(
            "“{}” is neither a network such as 203.0.113.0/24 nor an address such as 203.0.113.7",
            shown(text)
        ));
    };
    match unmapped(network) {
        // Requests are counted by that much, so anything narrower would never be met.
        IpNet::V6(narrow) if narrow.prefix_len() > 64 => {
            let whole = Ipv6Net::new_assert(narrow.addr(), 64).trunc();
            invalid(format!(
                "“{}” is narrower than /64, and a person on IPv6 has a whole /64 to choose addresses from; write {whole}",
                shown(text)
            ))
        }
        network if network.addr() != network.network() => invalid(format!(
            "“{}” is an address inside of a network; write {} for that network",
            shown(text),
            network.trunc()
        )),
        network => Ok(network),
    }
}

/// An IPv4 network that is written as one of IPv6, as what requests from there are taken for.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(address), Some(prefix)) => Ipv4Net::new_assert(address, prefix).into(),
        _ => network,
    }
}

/// A URI that names somebody: a realm or an issuer. Compared as text, so it is kept as written.
pub fn uri(what: &str, text: &str) -> Result<String> {
    let fits = text.len() <= 1000
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b));
    if !fits || Url::parse(text).is_err() {
        return invalid(format!(
            "the {what} “{}” is not an absolute URI such as urn:example:app or https://app.example/",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// Where a value comes from: `upn`, `email`, `display-name`, `given-name`, `family-name`,
/// `immutable-id`, `groups`, `pairwise`, `transient`, or a constant in quotes.
pub fn source(text: &str) -> Result<Source> {
    let quoted = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    Ok(match (text, quoted) {
        (_, Some(constant)) => Source::Constant(name("constant", constant)?),
        ("upn", _) => Source::Upn,
        ("email", _) => Source::Email,
        ("display-name", _) => Source::DisplayName,
        ("given-name", _) => Source::GivenName,
        ("family-name", _) => Source::FamilyName,
        ("immutable-id", _) => Source::ImmutableId,
        ("groups", _) => Source::Groups,
        ("pairwise", _) => Source::Pairwise,
        ("transient", _) => Source::Transient,
        _ => {
            return invalid(format!(
                "“{}” is no source: use upn, email, display-name, given-name, family-name, immutable-id, groups, pairwise, transient or a constant in quotes",
                shown(text)
            ));
        }
    })
}

/// `LEFT=SOURCE`, where LEFT is a URI that may itself contain `=`.
pub fn rule(what: &str, text: &str) -> Result<(String, Source)> {
    let mut splits = text
        .match_indices('=')
        .map(|(at, _)| (&text[..at], &text[at + 1..]));
    match splits.find_map(|(left, right)| Some((left, source(right).ok()?))) {
        Some((left, source)) if !left.is_empty() => Ok((left.to_owned(), source)),
        _ => match text.rsplit_once('=') {
            Some((_, right)) => source(right)
                .and_then(|_| invalid(format!("the {what} lacks what stands before the ="))),
            None => invalid(format!(
                "the {what} “{}” must be written as NAME=SOURCE",
                shown(text)
            )),
        },
    }
}

/// A SAML 1.1 NameIdentifier format (SAML 1.1 core §7.3): a URI or the last word of one of the standard's.
pub fn name_id_format(text: &str) -> Result<String> {
    match text {
        "unspecified" | "emailAddress" | "X509SubjectName" | "WindowsDomainQualifiedName" => {
            Ok(format!("urn:oasis:names:tc:SAML:1.1:nameid-format:{text}"))
        }
        "persistent" | "transient" => {
            Ok(format!("urn:oasis:names:tc:SAML:2.0:nameid-format:{text}"))
        }
        _ => uri("name identifier format", text),
    }
}

/// A SAML 2.0 attribute's name and its NameFormat (SAML core §8.2): `uri:`, `basic:` or `unspecified:` in
/// front says which; without one a name with a colon is a URI.
pub fn saml_attribute_name(text: &str) -> Result<(String, Option<String>)> {
    let format = |name: &str| {
        Some(format!(
            "urn:oasis:names:tc:SAML:2.0:attrname-format:{name}"
        ))
    };
    let (name, format) = match text.split_once(':') {
        Some((prefix @ ("uri" | "basic" | "unspecified"), name)) => (name, format(prefix)),
        Some(_) => (text, format("uri")),
        None => (text, format("basic")),
    };
    if name.is_empty() || name.len() > 1000 || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return invalid(format!(
            "the attribute name “{}” must be ASCII without spaces, at most 1000 characters",
            shown(text)
        ));
    }
    Ok((name.to_owned(), format))
}

/// What a service provider calls itself (SAML metadata §2.3.2). The standard wants a URI of at most 1024
/// characters; some have a plain word, and it is only ever compared.
pub fn entity_id(text: &str) -> Result<String> {
    let fits = |c: char| !c.is_control() && !c.is_whitespace();
    if text.is_empty() || text.chars().count() > 1024 || !text.chars().all(fits) {
        return invalid(format!(
            "the entity id “{}” must be 1 to 1024 characters without white space",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// A name for an app's addresses that its admin chose: it must not look like an id.
pub fn slug(text: &str) -> Result<String> {
    let fits = (2..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && app_id(text).is_err();
    if !fits {
        return invalid(format!(
            "the slug “{}” must be 2 to 64 lower-case letters, digits and hyphens, not beginning or ending with a hyphen, and not look like an application's id",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// What goes back to an application byte for byte; a form field cannot carry everything.
pub fn relay_state(text: &str) -> Result<String> {
    if text.is_empty() || text.len() > 4000 || text.chars().any(char::is_control) {
        return invalid("the relay state must be 1 to 4000 bytes without control characters");
    }
    Ok(text.to_owned())
}

/// A SAML 1.1 attribute's namespace and name, from its full URI `namespace/name`.
pub fn attribute_name(text: &str) -> Result<(String, String)> {
    let full = uri("attribute name", text).ok();
    let parts = full.as_deref().and_then(|full| full.rsplit_once('/'));
    match parts {
        Some((namespace, name)) if !name.is_empty() && !namespace.ends_with('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => invalid(format!(
            "the attribute name “{}” must be a full URI, namespace/name, such as http://schemas.xmlsoap.org/claims/Group",
            shown(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upns_are_ascii_with_a_domain() {
        let upn = Upn::parse(" Alice.O'Neil@Contoso.COM ").expect("a UPN");
        assert_eq!(
            (upn.as_str(), upn.key().as_str(), upn.domain().as_str()),
            (
                "Alice.O'Neil@Contoso.COM",
                "alice.o'neil@contoso.com",
                "contoso.com"
            )
        );
        for bad in [
            "",
            "alice",
            "@contoso.com",
            "alice@",
            "alice@localhost",
            "al ice@contoso.com",
            "alice@contoso.com@evil.example",
            "älice@contoso.com",
            "alice\u{200B}@contoso.com",
            "alice@cont\u{043E}so.com",
            "alice@contoso.com\0",
            "alice@-contoso.com",
            "alice@1.2.3.4",
            ".alice@contoso.com",
        ] {
            assert!(Upn::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn domains_are_ascii_in_lower_case() {
        for (text, expected) in [
            (" Contoso.COM ", "contoso.com"),
            ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
            ("a-b.c0.example", "a-b.c0.example"),
        ] {
            assert_eq!(Domain::parse(text).expect(text).as_str(), expected);
        }
        for (text, words) in [
            ("b\u{fc}cher.example", "write it as xn--bcher-kva.example"),
            ("cont\u{43e}so.com", "write it as xn--cont"),
            ("\u{ff43}ontoso.com", "write it as contoso.com"),
            ("contoso\u{3002}com", "write it as contoso.com"),
            ("contoso.com\u{202e}", "not a domain name"),
            ("contoso.com.", "not a domain name"),
            (".contoso.com", "not a domain name"),
            ("contoso..com", "not a domain name"),
            ("contoso.com'", "not a domain name"),
            ("\"contoso.com\"", "not a domain name"),
            ("$(whoami).contoso.com", "not a domain name"),
            ("`id`.contoso.com", "not a domain name"),
            ("contoso.com;ls", "not a domain name"),
            ("con\ntoso.com", "not a domain name"),
            ("con%74oso.com", "not a domain name"),
            ("https://contoso.com", "not a domain name"),
            ("contoso.com/", "not a domain name"),
            ("*.contoso.com", "not a domain name"),
            ("192.0.2.1", "not a domain name"),
            ("com", "not a domain name"),
            ("", "not a domain name"),
        ] {
            let error = Domain::parse(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text:?}: {error}");
            assert!(
                !error.contains('\u{202e}') && !error.contains('\n'),
                "{error}"
            );
        }
        assert!(Domain::to_federate("contoso.com").is_ok());
        for cloud in ["onmicrosoft.com", "Contoso.OnMicrosoft.com"] {
            assert!(Domain::to_federate(cloud).is_err(), "{cloud}");
        }
        let unicode = in_unicode("xn--bcher-kva.example");
        assert_eq!(unicode.as_deref(), Some("b\u{fc}cher.example"));
        assert_eq!(in_unicode("contoso.com"), None);
    }

    #[test]
    fn a_sub_domain_counts_as_its_root_and_a_look_alike_does_not() {
        let within = |domain: &str| {
            Domain::parse(domain)
                .expect("a domain")
                .is_within("contoso.com")
        };
        assert!(within("contoso.com") && within("eu.contoso.com") && within("Contoso.COM"));
        assert!(
            !within("evilcontoso.com")
                && !within("contoso.com.evil.example")
                && !within("com.example")
        );
    }

    #[test]
    fn networks_are_written_in_one_way() {
        for (text, expected) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            (" 203.0.113.7 ", "203.0.113.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:1::/64", "2001:db8:0:1::/64"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ] {
            let network = network(text).expect(text);
            assert_eq!(network.to_string(), expected);
        }
        for (text, fix) in [
            ("203.0.113.7/24", "write 203.0.113.0/24 "),
            ("2001:db8:0:1::7/48", "write 2001:db8::/48 "),
            ("::ffff:203.0.113.7/120", "write 203.0.113.0/24 "),
            ("2001:db8:0:1::7/96", "write 2001:db8:0:1::/64"),
            ("2001:db8:0:1::/72", "write 2001:db8:0:1::/64"),
            ("2001:db8:0:1::7", "write 2001:db8:0:1::/64"),
            ("", "such as"),
            ("none", "such as"),
            ("contoso.com", "such as"),
            ("203.0.113.0/33", "such as"),
            ("203.0.113.0/24, 192.0.2.0/24", "such as"),
            ("203.0.113", "such as"),
            ("203.0.113.007", "such as"),
        ] {
            let error = network(text).expect_err(text).to_string();
            assert!(error.contains(fix), "{text:?}: {error}");
        }
    }

    #[test]
    fn reply_urls_are_https_or_this_machine() {
        for good in [
            "https://app.example/signin",
            "http://localhost:8081/login.srf",
            "http://127.0.0.1:1/",
            "https://app.example:8443/a?b=c",
        ] {
            assert!(reply_url("reply", good).is_ok(), "{good} was refused");
        }
        for bad in [
            "http://app.example/",
            "javascript:alert(1)",
            "https://user@app.example/",
            "https://app.example/#x",
            "/signin",
            "https://app.example/a b",
            "http://localhost.evil.example/",
            "ftp://app.example/",
            "https:///x y",
            "data:text/html,x",
        ] {
            assert!(reply_url("reply", bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn rules_split_where_a_source_begins() {
        assert_eq!(
            rule("attribute", "https://x.example/?a=b=upn").expect("a rule"),
            ("https://x.example/?a=b".to_owned(), Source::Upn)
        );
        assert_eq!(
            rule("attribute", "urn:x='a=b'").expect("a rule").1,
            Source::Constant("a=b".to_owned())
        );
        assert!(
            rule("attribute", "urn:x=").is_err()
                && rule("attribute", "=upn").is_err()
                && rule("attribute", "upn").is_err()
        );
    }

    #[test]
    fn attribute_names_are_namespace_and_name() {
        let name = attribute_name("http://schemas.xmlsoap.org/claims/UPN").expect("a name");
        assert_eq!(
            name,
            (
                "http://schemas.xmlsoap.org/claims".to_owned(),
                "UPN".to_owned()
            )
        );
        assert!(
            attribute_name("role").is_err()
                && attribute_name("http://x.example/").is_err()
                && attribute_name("http://x").is_err()
        );
    }

    #[test]
    fn immutable_ids_are_kept_and_checked() {
        for good in [
            "Zm9vYmFyLzEyMzQ1Njc4OQ==",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "abc",
        ] {
            assert_eq!(immutable_id(good).expect("an ImmutableID"), good);
        }
        for bad in ["", "a_b", "a$b", "a b", "é", &"a".repeat(65)] {
            assert!(immutable_id(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
