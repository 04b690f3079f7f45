//! A password on its way: the request for a token as each client writes it (WS-Trust over SOAP 1.2).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use zeroize::Zeroizing;

use crate::checks::windows::{Client, Endpoint, Version};
use crate::guid;

/// What a request says; the rest is how.
pub struct Request<'a> {
    pub client: Client,
    pub endpoint: &'a Endpoint,
    pub message_id: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    /// The cloud that the token is for.
    pub audience: &'a str,
    pub now: DateTime<Utc>,
}

/// How a client writes XML, where they differ.
struct Hand {
    /// The prefixes of WS-Addressing, of the utilities, of WS-Security and of WS-Trust.
    prefixes: [&'static str; 4],
    message_id: &'static str,
    quote: char,
    timestamp: &'static str,
    token: String,
    precision: SecondsFormat,
    declaration: &'static str,
    /// What stands between elements.
    space: &'static str,
}

impl Request<'_> {
    /// The envelope, in which the password stands.
    pub fn envelope(&self) -> Zeroizing<String> {
        let Hand {
            prefixes: [wsa, wsu, wsse, wst],
            message_id,
            quote: q,
            timestamp,
            token,
            precision,
            declaration,
            space,
        } = Hand::of(self.client, self.endpoint.version);
        let version = self.endpoint.version;
        let [created, expires] = [self.now, self.now + TimeDelta::minutes(10)]
            .map(|instant| instant.to_rfc3339_opts(precision, true));
        let understand = format!("s:mustUnderstand={q}1{q}");
        let [to, audience, user, password] = [
            &self.endpoint.address,
            self.audience,
            self.user,
            self.password,
        ]
        .map(escaped);
        let before = [
            &format!("{declaration}<s:Envelope xmlns:s={q}{ENVELOPE}{q} xmlns:{wsa}={q}{ADDRESSING}{q} xmlns:{wsu}={q}{UTILITY}{q}>"),
            "<s:Header>",
            &format!("<{wsa}:Action {understand}>{}</{wsa}:Action>", version.request_action()),
            &format!("<{wsa}:{message_id}>{}</{wsa}:{message_id}>", self.message_id),
            &format!("<{wsa}:ReplyTo><{wsa}:Address>{ANONYMOUS}</{wsa}:Address></{wsa}:ReplyTo>"),
            &format!("<{wsa}:To {understand}>{}</{wsa}:To>", *to),
            &format!("<{wsse}:Security {understand} xmlns:{wsse}={q}{SECURITY}{q}>"),
            &format!("<{wsu}:Timestamp {wsu}:Id={q}{timestamp}{q}>"),
            &format!("<{wsu}:Created>{created}</{wsu}:Created>"),
            &format!("<{wsu}:Expires>{expires}</{wsu}:Expires>"),
            &format!("</{wsu}:Timestamp>"),
            &format!("<{wsse}:UsernameToken {wsu}:Id={q}{token}{q}>"),
            &format!("<{wsse}:Username>{}</{wsse}:Username>", *user),
            &format!("<{wsse}:Password>"),
        ]
        .join(space);
        let behind = [
            &format!("</{wsse}:Password>"),
            &format!("</{wsse}:UsernameToken>"),
            &format!("</{wsse}:Security>"),
            "</s:Header>",
            "<s:Body>",
            &format!("<{wst}:RequestSecurityToken xmlns:{wst}={q}{}{q}>", version.namespace()),
            &format!("<wsp:AppliesTo xmlns:wsp={q}{POLICY}{q}>"),
            &format!("<{wsa}:EndpointReference><{wsa}:Address>{}</{wsa}:Address></{wsa}:EndpointReference>", *audience),
            "</wsp:AppliesTo>",
            &format!("<{wst}:KeyType>{}</{wst}:KeyType>", version.key_type()),
            &format!("<{wst}:RequestType>{}</{wst}:RequestType>", version.request_type()),
            &format!("</{wst}:RequestSecurityToken>"),
            "</s:Body>",
            "</s:Envelope>",
        ]
        .join(space);
        // All room at once: a text that grows leaves what it held, and with that the password, in memory.
        let room = before.len() + password.len() + behind.len();
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.extend([&before, password.as_str(), &behind]);
        text
    }

    /// The `SOAPAction` header.
    pub fn action(&self) -> String {
        self.endpoint.version.request_action()
    }
}

impl Hand {
    fn of(client: Client, version: Version) -> Self {
        let short = match version {
            Version::Feb2005 => "UnPwSecTok2005",
            Version::Trust13 => "UnPwSecTok13",
        };
        let plain = Self {
            prefixes: ["wsa", "wsu", "wsse", "wst"],
            message_id: "MessageID",
            quote: '"',
            timestamp: "_0",
            token: "ADALUsernameToken".to_owned(),
            precision: SecondsFormat::Secs,
            declaration: "",
            space: "",
        };
        match client {
            Client::Windows => plain,
            Client::Python => Self {
                quote: '\'',
                space: "\n        ",
                ..plain
            },
            Client::Java => Self {
                prefixes: ["a", "u", "o", "trust"],
                // The name has a capital in the specification; this client's has none, and counts for none.
                message_id: "messageID",
                quote: '\'',
                token: format!("uuid-{}", guid::random()),
                ..plain
            },
            Client::DotNet => Self {
                timestamp: "MSATimeStamp",
                token: format!("{short}-{}", guid::random()),
                precision: SecondsFormat::Millis,
                declaration: "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
                ..plain
            },
            Client::Go => Self {
                message_id: "messageID",
                timestamp: "MSATimeStamp",
                token: format!("{short}-{}", guid::random()),
                precision: SecondsFormat::Millis,
                ..plain
            },
        }
    }
}

/// Check 60: text that reads as what was typed, whatever that was.
fn escaped(value: &str) -> Zeroizing<String> {
    // The longest that a letter becomes has six bytes.
    let mut text = Zeroizing::new(String::with_capacity(value.len() * 6));
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            // Bare, a reader would take it for a line feed (XML §2.11).
            '\r' => text.push_str("&#13;"),
            '\n' | '\t' => text.push(letter),
            // XML has no way to write these.
            '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            _ => text.push(letter),
        }
    }
    text
}

const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;

    fn envelope(client: Client, version: Version, user: &str, password: &str) -> String {
        let endpoint = Endpoint {
            address: "https://idp.example/trust/13/usernamemixed".to_owned(),
            version,
        };
        let request = Request {
            client,
            endpoint: &endpoint,
            message_id: "urn:uuid:1",
            user,
            password,
            audience: "urn:federation:MicrosoftOnline",
            now: DateTime::UNIX_EPOCH,
        };
        request.envelope().to_string()
    }

    /// The text of the one element of this name, whatever its namespace.
    #[track_caller]
    fn text<'a>(document: &'a Document, name: &str) -> &'a str {
        let mut found = document
            .descendants()
            .filter(|node| node.tag_name().name() == name);
        let (node, more) = (found.next(), found.next());
        assert_eq!(more, None, "{name}");
        node.expect("it is there").text().unwrap_or_default()
    }

    #[track_caller]
    fn check(client: Client, user: &str, password: &str) {
        for version in Version::BOTH {
            let envelope = envelope(client, version, user, password);
            let document = Document::parse(&envelope).expect("it is XML");
            assert_eq!(text(&document, "Username"), user, "{}", client.name());
            assert_eq!(text(&document, "Password"), password, "{}", client.name());
        }
    }

    #[test]
    fn what_was_typed_is_what_is_read() {
        for password in [
            "&<>\"'",
            "]]>",
            "&amp;",
            " with space around ",
            "\t",
            "über Straße 日本 😀",
            "a\r\nb",
        ] {
            for client in Client::ALL {
                check(client, "o'neil+test@contoso.example", password);
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_read(user in "[ -~¡-ÿ\t]{1,64}", password in "\\PC{1,128}") {
            for client in Client::ALL {
                check(client, &user, &password);
            }
        }
    }

    #[test]
    fn every_client_writes_its_own_hand() {
        let says = |client, version, what: &str| {
            let envelope = envelope(client, version, "alice", "secret");
            assert!(envelope.contains(what), "{}: {envelope}", client.name());
        };
        for (version, [action, namespace, key_type]) in [
            (
                Version::Feb2005,
                [
                    ">http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue<",
                    "http://schemas.xmlsoap.org/ws/2005/02/trust",
                    ">http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey<",
                ],
            ),
            (
                Version::Trust13,
                [
                    ">http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue<",
                    "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
                    ">http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer<",
                ],
            ),
        ] {
            for client in Client::ALL {
                says(client, version, action);
                says(client, version, key_type);
                let envelope = envelope(client, version, "alice", "secret");
                let document = Document::parse(&envelope).expect("it is XML");
                let request = (namespace, "RequestSecurityToken");
                assert!(
                    document
                        .descendants()
                        .any(|node| node.has_tag_name(request))
                );
                assert!(!envelope.contains("TokenType"), "{envelope}");
            }
            says(
                Client::Go,
                version,
                "<wsa:messageID>urn:uuid:1</wsa:messageID>",
            );
            says(
                Client::Java,
                version,
                "<a:messageID>urn:uuid:1</a:messageID>",
            );
            for client in [Client::DotNet, Client::Python, Client::Windows] {
                says(client, version, "<wsa:MessageID>urn:uuid:1</wsa:MessageID>");
            }
            for client in [Client::DotNet, Client::Go] {
                says(client, version, "wsu:Id=\"MSATimeStamp\"");
                says(client, version, ">1970-01-01T00:10:00.000Z</wsu:Expires>");
            }
            says(Client::Python, version, "wsu:Id='ADALUsernameToken'");
            says(Client::Java, version, "<o:UsernameToken u:Id='uuid-");
        }
        says(Client::DotNet, Version::Feb2005, "wsu:Id=\"UnPwSecTok2005-");
        says(Client::Go, Version::Trust13, "wsu:Id=\"UnPwSecTok13-");
    }
}
