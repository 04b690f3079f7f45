use proptest::prelude::*;
use roxmltree::Document;

use super::*;
use crate::wstrust::{Code, Fault as SoapFault, Subcode};

const TO: &str = "https://id.contoso.com/wsfed/1/trust/x/usernamemixed";
const MESSAGE_ID: &str = "urn:uuid:7c0e1d2f-8f1a-4c62-9b1e-3f7f4b0a5a11";
const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BOTH: [Version; 2] = [Version::Feb2005, Version::V13];

fn parsed(text: &str, version: Version) -> Result<Request, Rejected> {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    read(document.root_element(), version)
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_355_200, 0).expect("it is in 2026")
}

/// What every good request here says.
fn expected() -> Request {
    Request {
        message_id: Some(MESSAGE_ID.to_owned()),
        to: Some(TO.to_owned()),
        username: "alice@contoso.com".to_owned(),
        password: Zeroizing::new(" pass <word> & more ".to_owned()),
        created: noon(),
        expires: noon() + chrono::TimeDelta::minutes(10),
        applies_to: "urn:federation:MicrosoftOnline".to_owned(),
    }
}

/// The parts of a request in the order of most clients, each an element with the usual prefixes.
struct Parts {
    header: Vec<String>,
    security: Vec<String>,
    timestamp: Vec<String>,
    token: Vec<String>,
    rst: Vec<String>,
}

fn parts(version: Version) -> Parts {
    let list = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect();
    Parts {
        header: list(&[
            &format!(
                "<wsa:Action s:mustUnderstand='1'>{}</wsa:Action>",
                version.action()
            ),
            &format!("<wsa:MessageID>{MESSAGE_ID}</wsa:MessageID>"),
            &format!("<wsa:ReplyTo><wsa:Address>{ANONYMOUS}</wsa:Address></wsa:ReplyTo>"),
            &format!("<wsa:To s:mustUnderstand='1'>{TO}</wsa:To>"),
            "[security]",
        ]),
        security: list(&["[timestamp]", "[token]"]),
        timestamp: list(&[
            "<wsu:Created>2026-01-02T12:00:00Z</wsu:Created>",
            "<wsu:Expires>2026-01-02T12:10:00Z</wsu:Expires>",
        ]),
        token: list(&[
            "<wsse:Username>alice@contoso.com</wsse:Username>",
            "<wsse:Password> pass &lt;word&gt; &amp; more </wsse:Password>",
        ]),
        rst: list(&[
            "<wsp:AppliesTo xmlns:wsp='http://schemas.xmlsoap.org/ws/2004/09/policy'><wsa:EndpointReference><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>",
            &format!("<wst:KeyType>{}</wst:KeyType>", version.bearer()),
            &format!("<wst:RequestType>{}</wst:RequestType>", version.issue()),
        ]),
    }
}

impl Parts {
    /// The request, with `between` written around every part.
    fn text(&self, version: Version, between: &str) -> String {
        let joined = |parts: &[String]| format!("{between}{}{between}", parts.join(between));
        let timestamp = format!(
            "<wsu:Timestamp wsu:Id='_0'>{}</wsu:Timestamp>",
            joined(&self.timestamp)
        );
        let token = format!(
            "<wsse:UsernameToken wsu:Id='ADALUsernameToken'>{}</wsse:UsernameToken>",
            joined(&self.token)
        );
        let security = joined(&self.security)
            .replace("[timestamp]", &timestamp)
            .replace("[token]", &token);
        let security = format!(
            "<wsse:Security s:mustUnderstand='1' xmlns:wsse='{}'>{security}</wsse:Security>",
            SECURITY.uri
        );
        format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:wsa='http://www.w3.org/2005/08/addressing' xmlns:wsu='{}'>{between}<s:Header>{}</s:Header>{between}<s:Body>{between}<wst:RequestSecurityToken xmlns:wst='{}'>{}</wst:RequestSecurityToken>{between}</s:Body>{between}</s:Envelope>",
            UTILITY.uri,
            joined(&self.header).replace("[security]", &security),
            version.namespace().uri,
            joined(&self.rst),
        )
    }
}

fn good(version: Version) -> String {
    parts(version).text(version, "")
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

/// The last element of this name, as it is written.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.rfind(&format!("<{name}"));
    let start = start.unwrap_or_else(|| panic!("{name} is not in {text}"));
    let end = format!("</{name}>");
    let length = text[start..].find(&end).expect("it ends") + end.len();
    &text[start..start + length]
}

#[test]
fn a_request_reads_as_most_clients_write_it() {
    for version in BOTH {
        for between in ["", "\n    ", " <!-- layout --> ", "<?layout?>\r\n"] {
            let text = parts(version).text(version, between);
            assert_eq!(parsed(&text, version), Ok(expected()), "{text}");
        }
    }
}

#[test]
fn msal_for_net_names_its_parts_otherwise_and_writes_milliseconds() {
    for (version, token) in BOTH.into_iter().zip(["UnPwSecTok2005-", "UnPwSecTok13-"]) {
        let text = replaced(&good(version), "'_0'", "'MSATimeStamp'");
        let id = format!("{token}aa8e3a4e-4f5f-4e64-8a9c-2b0a4c5d6e7f");
        let text = replaced(&text, "ADALUsernameToken", &id);
        let text = text.replace("00Z<", "00.000Z<");
        assert_eq!(parsed(&text, version), Ok(expected()));
    }
}

#[test]
fn msal_for_go_writes_the_message_id_with_a_small_letter() {
    for version in BOTH {
        let text = good(version).replace("wsa:MessageID", "wsa:messageID");
        assert_eq!(parsed(&text, version), Ok(expected()));
    }
}

/// The client of SharePoint and of scripts: its own header, prefixes of its own, a long life, no `ReplyTo`.
#[test]
fn idcrl_puts_the_token_first_and_its_ids_into_no_namespace() {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <S:Envelope xmlns:S="http://www.w3.org/2003/05/soap-envelope" xmlns:sec="{}" xmlns:u="{}" xmlns:w="http://www.w3.org/2005/08/addressing" xmlns:p="http://schemas.xmlsoap.org/ws/2004/09/policy" xmlns:tr="http://schemas.xmlsoap.org/ws/2005/02/trust">
          <S:Header>
            <w:Action S:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue</w:Action>
            <w:To S:mustUnderstand="1">{TO}</w:To>
            <w:MessageID>7c0e1d2f-8f1a-4c62-9b1e-3f7f4b0a5a11</w:MessageID>
            <ps:AuthInfo xmlns:ps="http://schemas.microsoft.com/Passport/SoapServices/PPCRL" Id="PPAuthInfo">
              <ps:HostingApp>Managed IDCRL</ps:HostingApp><ps:BinaryVersion>6</ps:BinaryVersion><ps:Cookies/>
            </ps:AuthInfo>
            <sec:Security>
              <sec:UsernameToken u:Id="user">
                <sec:Username>alice@contoso.com</sec:Username>
                <sec:Password><![CDATA[ pass <word> & more ]]></sec:Password>
              </sec:UsernameToken>
              <u:Timestamp Id="Timestamp">
                <u:Created>2026-01-02T12:00:00.0000000Z</u:Created>
                <u:Expires>2026-01-03T12:00:00.0000000Z</u:Expires>
              </u:Timestamp>
            </sec:Security>
          </S:Header>
          <S:Body>
            <tr:RequestSecurityToken Id="RST0">
              <tr:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Issue</tr:RequestType>
              <p:AppliesTo><w:EndpointReference><w:Address>urn:federation:MicrosoftOnline</w:Address></w:EndpointReference></p:AppliesTo>
              <tr:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey</tr:KeyType>
            </tr:RequestSecurityToken>
          </S:Body>
        </S:Envelope>"#,
        SECURITY.uri, UTILITY.uri
    );
    let mut request = expected();
    request.message_id = Some("7c0e1d2f-8f1a-4c62-9b1e-3f7f4b0a5a11".to_owned());
    request.expires = noon() + chrono::TimeDelta::days(1);
    assert_eq!(parsed(&text, Version::Feb2005), Ok(request));
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    for version in BOTH {
        let text = good(version);
        let without = |name: &str| replaced(&text, element(&text, name), "");
        for name in ["wsa:ReplyTo", "wst:KeyType"] {
            assert_eq!(parsed(&without(name), version), Ok(expected()), "{name}");
        }
        let nowhere = Request {
            to: None,
            ..expected()
        };
        assert_eq!(parsed(&without("wsa:To"), version), Ok(nowhere.clone()));
        let anybody = replaced(&text, TO, ANONYMOUS);
        assert_eq!(parsed(&anybody, version), Ok(nowhere));
        let nameless = Request {
            message_id: None,
            ..expected()
        };
        assert_eq!(parsed(&without("wsa:MessageID"), version), Ok(nameless));
    }
}

#[test]
fn what_may_be_added_may_be_added() {
    let text = good(Version::V13);
    for (before, more) in [
        (
            "<wsa:Action ",
            "<x:Extra xmlns:x='urn:x' s:mustUnderstand='0'>?</x:Extra>",
        ),
        (
            "<wsa:Action ",
            "<x:Extra xmlns:x='urn:x' s:mustUnderstand='false'/>",
        ),
        (
            "<wsa:Action ",
            "<x:Extra xmlns:x='urn:x' s:mustUnderstand='1' s:role='http://www.w3.org/2003/05/soap-envelope/role/none'/>",
        ),
        (
            "<wsa:Action ",
            "<x:Extra xmlns:x='urn:x' s:mustUnderstand='1' s:role='urn:somebody-else'/>",
        ),
        (
            "<wsa:Action ",
            "<wsa:From s:mustUnderstand='true'><wsa:Address>urn:pc</wsa:Address></wsa:From>",
        ),
        (
            "<wsse:Username>",
            "<wsse:Nonce>AAAA</wsse:Nonce><wsu:Created>2026-01-02T12:00:00Z</wsu:Created>",
        ),
        ("<wst:KeyType>", "<wst:Lifetime/><x:Extra xmlns:x='urn:x'/>"),
        (
            "<wst:KeyType>",
            "<wst:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</wst:TokenType>",
        ),
        (
            "<wst:KeyType>",
            "<wst:TokenType>http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1</wst:TokenType>",
        ),
    ] {
        let text = replaced(&text, before, &format!("{more}{before}"));
        assert_eq!(parsed(&text, Version::V13), Ok(expected()), "{more}");
    }
    for (from, to) in [
        (
            "<wsse:Password>".to_owned(),
            format!("<wsse:Password Type='{PASSWORD_TEXT}'>"),
        ),
        // The same promise in the words of the other version, and AppliesTo in those of a later WS-Policy.
        (Version::V13.bearer().to_owned(), NO_PROOF_KEY.to_owned()),
        (POLICY.uri.to_owned(), POLICY_15.to_owned()),
    ] {
        let text = replaced(&text, &from, &to);
        assert_eq!(parsed(&text, Version::V13), Ok(expected()), "{to}");
    }
}

const NO_PROOF_KEY: &str = crate::names::NO_PROOF_KEY;

/// A reader that stops at the first piece of text believes in another user (attack class 3).
#[test]
fn comments_sections_and_references_never_cut_a_value_short() {
    for version in BOTH {
        let text = good(version);
        for cut in [
            "alice<!-- @evil.example -->@contoso.com",
            "<!---->alice@contoso.com<!---->",
            "alice@<![CDATA[contoso]]>.com",
            "<![CDATA[alice]]><![CDATA[@contoso.com]]>",
            "alice<?cut here?>@contoso.com",
            "&#97;lice&#x40;contoso.com",
            "\n  alice@contoso.com\t",
        ] {
            let text = replaced(&text, "alice@contoso.com", cut);
            assert_eq!(parsed(&text, version), Ok(expected()), "{cut}");
        }
        let password = element(&text, "wsse:Password");
        for cut in [
            "<wsse:Password> pass <!-- x -->&lt;word&gt; &amp; more </wsse:Password>",
            "<wsse:Password> pass <![CDATA[<word> & ]]>more </wsse:Password>",
            "<wsse:Password>&#x20;p<?x?>ass &#60;word> &#x26; more<!----> </wsse:Password>",
        ] {
            let text = replaced(&text, password, cut);
            assert_eq!(parsed(&text, version), Ok(expected()), "{cut}");
        }
        for (from, cut) in [
            (
                "urn:federation:MicrosoftOnline",
                "\n urn:federation:<!---->Microsoft<![CDATA[Online]]> ",
            ),
            (TO, &format!(" {}<!-- x -->{}\r\n", &TO[..9], &TO[9..])),
            (
                MESSAGE_ID,
                &format!("\t{}<![CDATA[{}]]>", &MESSAGE_ID[..9], &MESSAGE_ID[9..]),
            ),
            (
                "2026-01-02T12:10:00Z",
                " 2026-01-02<!-- T13:10:00Z -->T12:10:00Z\n",
            ),
        ] {
            assert_eq!(
                parsed(&replaced(&text, from, cut), version),
                Ok(expected()),
                "{cut}"
            );
        }
    }
}

#[test]
fn instants_are_read_in_every_form_of_their_type() {
    for (form, at) in [
        ("2026-01-02T12:00:00Z", noon()),
        ("2026-01-02T12:00:00.000Z", noon()),
        ("2026-01-02T12:00:00.0000000Z", noon()),
        ("2026-01-02T14:00:00+02:00", noon()),
        ("2026-01-02T12:00:00", noon()),
        (
            "2026-01-02T12:00:00.5Z",
            noon() + chrono::TimeDelta::milliseconds(500),
        ),
    ] {
        let text = replaced(&good(Version::V13), "2026-01-02T12:00:00Z", form);
        let created = parsed(&text, Version::V13).map(|request| request.created);
        assert_eq!(created, Ok(at), "{form}");
    }
}

/// A message that is refused: with which code, about which part of it.
#[track_caller]
fn refused(text: &str, version: Version, code: Code, subcode: Subcode) -> BadRequest {
    let Err(rejected) = parsed(text, version) else {
        panic!("it was read: {text}")
    };
    let fault = SoapFault::from(&rejected.why);
    assert_eq!(
        (fault.code, fault.subcode),
        (code, subcode),
        "{}: {text}",
        rejected.why
    );
    rejected.why
}

#[test]
fn what_has_to_be_there_is_missed_and_what_is_there_twice_is_refused() {
    use Subcode::{
        ActionNotSupported, InvalidRequest, InvalidSecurity, MessageAddressingHeaderRequired,
    };
    for version in BOTH {
        let text = good(version);
        for (name, missing, doubled) in [
            ("s:Header", Some(InvalidRequest), Some(InvalidRequest)),
            ("s:Body", Some(InvalidRequest), Some(InvalidRequest)),
            (
                "wsa:Action",
                Some(MessageAddressingHeaderRequired),
                Some(ActionNotSupported),
            ),
            ("wsa:To", None, Some(InvalidRequest)),
            (
                "wsse:Security",
                Some(InvalidSecurity),
                Some(InvalidSecurity),
            ),
            (
                "wsu:Timestamp",
                Some(InvalidSecurity),
                Some(InvalidSecurity),
            ),
            ("wsu:Created", Some(InvalidSecurity), Some(InvalidSecurity)),
            ("wsu:Expires", Some(InvalidSecurity), Some(InvalidSecurity)),
            (
                "wsse:UsernameToken",
                Some(InvalidSecurity),
                Some(InvalidSecurity),
            ),
            (
                "wsse:Username",
                Some(InvalidSecurity),
                Some(InvalidSecurity),
            ),
            (
                "wsse:Password",
                Some(InvalidSecurity),
                Some(InvalidSecurity),
            ),
            (
                "wst:RequestSecurityToken",
                Some(InvalidRequest),
                Some(InvalidRequest),
            ),
            (
                "wst:RequestType",
                Some(InvalidRequest),
                Some(InvalidRequest),
            ),
            ("wst:KeyType", None, Some(InvalidRequest)),
            ("wsp:AppliesTo", Some(InvalidRequest), Some(InvalidRequest)),
            (
                "wsa:EndpointReference",
                Some(InvalidRequest),
                Some(InvalidRequest),
            ),
            ("wsa:Address", Some(InvalidRequest), Some(InvalidRequest)),
        ] {
            // `<wsse:Username` begins two names.
            let element = if name == "wsse:Username" {
                "<wsse:Username>alice@contoso.com</wsse:Username>"
            } else {
                element(&text, name)
            };
            // The last: another Address is in ReplyTo.
            let with = |to: &str| {
                let at = text.rfind(element).expect("it was found there");
                [&text[..at], to, &text[at + element.len()..]].concat()
            };
            if let Some(subcode) = missing {
                refused(&with(""), version, Code::Sender, subcode);
            }
            if let Some(subcode) = doubled {
                refused(&with(&element.repeat(2)), version, Code::Sender, subcode);
            }
        }
        // Once in each WS-Policy is twice.
        let applies_to = element(&text, "wsp:AppliesTo");
        let later = applies_to.replace(POLICY.uri, POLICY_15);
        let both = replaced(&text, applies_to, &format!("{applies_to}{later}"));
        refused(&both, version, Code::Sender, InvalidRequest);
    }
}

#[test]
fn what_is_empty_or_too_long_or_not_of_its_type_is_refused() {
    use Subcode::{InvalidRequest, InvalidSecurity};
    let long = "x".repeat(crate::read::LONGEST + 1);
    for version in BOTH {
        let text = good(version);
        for (from, to, subcode) in [
            ("alice@contoso.com", "", InvalidSecurity),
            ("alice@contoso.com", " \n<!-- nobody --> ", InvalidSecurity),
            (
                "alice@contoso.com",
                "alice@<b>contoso</b>.com",
                InvalidSecurity,
            ),
            ("alice@contoso.com", &long, InvalidSecurity),
            (" pass &lt;word&gt; &amp; more ", "", InvalidSecurity),
            (" pass &lt;word&gt; &amp; more ", "<!---->", InvalidSecurity),
            (" pass &lt;word&gt; &amp; more ", "<x/>", InvalidSecurity),
            (" pass &lt;word&gt; &amp; more ", &long, InvalidSecurity),
            ("urn:federation:MicrosoftOnline", "", InvalidRequest),
            ("urn:federation:MicrosoftOnline", "urn:<x/>", InvalidRequest),
            ("urn:federation:MicrosoftOnline", &long, InvalidRequest),
            (TO, "", InvalidRequest),
            (TO, &long, InvalidRequest),
            ("2026-01-02T12:00:00Z", "", InvalidSecurity),
            ("2026-01-02T12:00:00Z", "now", InvalidSecurity),
            ("2026-01-02T12:00:00Z", "2026-01-02", InvalidSecurity),
            (
                "2026-01-02T12:00:00Z",
                "2026-01-02 12:00:00Z",
                InvalidSecurity,
            ),
            (
                "2026-01-02T12:00:00Z",
                "2026-02-30T12:00:00Z",
                InvalidSecurity,
            ),
            (
                "2026-01-02T12:00:00Z",
                "2026-01-02T25:00:00Z",
                InvalidSecurity,
            ),
            ("2026-01-02T12:00:00Z", "1767355200", InvalidSecurity),
            (
                "2026-01-02T12:10:00Z",
                "+292277026596-12-04T15:30:07Z",
                InvalidSecurity,
            ),
        ] {
            refused(&replaced(&text, from, to), version, Code::Sender, subcode);
        }
    }
}

#[test]
fn other_tokens_and_other_forms_of_a_password_are_not_taken() {
    let binary = "<wsse:BinarySecurityToken>AAAA</wsse:BinarySecurityToken>";
    let saml = "<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:1.0:assertion'/>";
    let signature = "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/>";
    for version in BOTH {
        let text = good(version);
        let before_timestamp = |more: &str| format!("{more}<wsu:Timestamp ");
        for (from, to) in [
            (
                "<wsse:Password>",
                &*format!("<wsse:Password Type='{DIGEST}'>"),
            ),
            (
                "<wsse:Password>",
                &format!("<wsse:Password wsse:Type='{DIGEST}'>"),
            ),
            ("<wsse:Password>", "<wsse:Password Type=''>"),
            ("<wsse:Password>", "<wsse:Password Type='PasswordDigest'>"),
            (element(&text, "wsse:UsernameToken"), binary),
            ("<wsu:Timestamp ", &before_timestamp(binary)),
            ("<wsu:Timestamp ", &before_timestamp(saml)),
            ("<wsu:Timestamp ", &before_timestamp(signature)),
            (
                "<wsse:UsernameToken ",
                "<wsse:UsernameToken xmlns:wsse='urn:not-wsse' ",
            ),
        ] {
            let text = replaced(&text, from, to);
            refused(
                &text,
                version,
                Code::Sender,
                Subcode::UnsupportedSecurityToken,
            );
        }
    }
}

#[test]
fn whatever_else_a_request_wants_is_not_given_something_else() {
    use Subcode::{ActionNotSupported, InvalidRequest, MessageAddressingHeaderRequired};
    for (version, other) in [
        (Version::Feb2005, Version::V13),
        (Version::V13, Version::Feb2005),
    ] {
        let text = good(version);
        let (trust, other_trust) = (version.namespace().uri, other.namespace().uri);
        let declared = |uri: &str| format!("xmlns:wst='{uri}'");
        let more = |more: &str| format!("{more}<wst:KeyType>");
        let on_behalf = format!("<x:OnBehalfOf xmlns:x='{other_trust}'/>");
        let act_as = "<x:ActAs xmlns:x='http://docs.oasis-open.org/ws-sx/ws-trust/200802'/>";
        let saml20 = "<wst:TokenType>urn:oasis:names:tc:SAML:2.0:assertion</wst:TokenType>";
        let collection = text.replace("RequestSecurityToken", "RequestSecurityTokenCollection");
        refused(&collection, version, Code::Sender, InvalidRequest);
        for (from, to, subcode) in [
            (version.action(), other.action(), ActionNotSupported),
            ("RST/Issue", "RST/Renew", ActionNotSupported),
            ("RST/Issue", "RST/issue", ActionNotSupported),
            (version.action(), "", MessageAddressingHeaderRequired),
            (&declared(trust), &declared(other_trust), InvalidRequest),
            (version.issue(), other.issue(), InvalidRequest),
            (version.issue(), &format!("{trust}/Renew"), InvalidRequest),
            (
                version.bearer(),
                &format!("{trust}/SymmetricKey"),
                InvalidRequest,
            ),
            (
                version.bearer(),
                &format!("{trust}/PublicKey"),
                InvalidRequest,
            ),
            ("<wst:KeyType>", &more(saml20), InvalidRequest),
            ("<wst:KeyType>", &more("<wst:OnBehalfOf/>"), InvalidRequest),
            ("<wst:KeyType>", &more(&on_behalf), InvalidRequest),
            ("<wst:KeyType>", &more(act_as), InvalidRequest),
        ] {
            refused(&replaced(&text, from, to), version, Code::Sender, subcode);
        }
    }
}

#[test]
fn a_header_that_must_be_understood_and_is_not_ends_the_matter() {
    let next = "http://www.w3.org/2003/05/soap-envelope/role/next";
    let last = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";
    for attributes in [
        "s:mustUnderstand='1'",
        "s:mustUnderstand='true'",
        "s:mustUnderstand=' 1 '",
        // Everybody on the way plays next; no role at all is the last one.
        &format!("s:mustUnderstand='1' s:role='{next}'"),
        &format!("s:mustUnderstand='1' s:role='{last}'"),
        "s:mustUnderstand='1' s:role=''",
    ] {
        let header = format!("<x:Extra xmlns:x='urn:x' {attributes}/><wsa:Action ");
        let text = replaced(&good(Version::V13), "<wsa:Action ", &header);
        let why = refused(
            &text,
            Version::V13,
            Code::MustUnderstand,
            Subcode::InvalidRequest,
        );
        assert_eq!(
            why,
            BadRequest::NotUnderstood {
                name: "Extra".to_owned()
            }
        );
    }
    // WS-Addressing of another time is not the one that we know.
    let old = "<a:To xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' s:mustUnderstand='1'/><wsa:Action ";
    let text = replaced(&good(Version::V13), "<wsa:Action ", old);
    refused(
        &text,
        Version::V13,
        Code::MustUnderstand,
        Subcode::InvalidRequest,
    );
}

#[test]
fn another_soap_is_told_apart_from_no_soap() {
    for version in BOTH {
        let old = good(version).replace(
            "http://www.w3.org/2003/05/soap-envelope",
            "http://schemas.xmlsoap.org/soap/envelope/",
        );
        let why = refused(
            &old,
            version,
            Code::VersionMismatch,
            Subcode::InvalidRequest,
        );
        assert!(why.to_string().contains("SOAP 1.2"), "{why}");
        for other in ["<html/>", "<Envelope/>", "<x:Envelope xmlns:x='urn:x'/>"] {
            refused(other, version, Code::Sender, Subcode::InvalidRequest);
        }
    }
}

#[test]
fn a_fault_refers_to_the_message_whatever_is_wrong_with_it() {
    let text = good(Version::V13);
    for broken in [
        replaced(&text, "urn:federation:MicrosoftOnline", ""),
        replaced(&text, element(&text, "s:Body"), ""),
        replaced(&text, element(&text, "wsse:Security"), ""),
    ] {
        let rejected = parsed(&broken, Version::V13).expect_err("it is broken");
        assert_eq!(rejected.relates_to.as_deref(), Some(MESSAGE_ID));
    }
}

/// It goes back to whoever sent it, and into no log; but nobody gets kilobytes or line breaks back.
#[test]
fn a_message_id_that_nobody_would_write_is_none() {
    for odd in [
        "",
        " ",
        "<x/>",
        "urn:uuid:1\r\nset-cookie: x",
        "urn:uuid:&#133;",
        &"x".repeat(257),
    ] {
        let text = replaced(&good(Version::V13), MESSAGE_ID, odd);
        let request = parsed(&text, Version::V13).expect("it is optional");
        assert_eq!(request.message_id, None, "{odd:?}");
    }
}

#[test]
fn a_request_that_is_printed_keeps_its_password() {
    let request = parsed(&good(Version::V13), Version::V13).expect("it is good");
    let printed = format!("{request:?} {request:#?}");
    assert!(
        printed.contains("alice@contoso.com") && !printed.contains("<word>"),
        "{printed}"
    );
}

/// A list in any order.
fn shuffled(parts: Vec<String>) -> impl Strategy<Value = Vec<String>> {
    Just(parts).prop_shuffle()
}

proptest! {
    #[test]
    fn parts_read_alike_in_any_order(
        header in shuffled(parts(Version::V13).header),
        security in shuffled(parts(Version::V13).security),
        timestamp in shuffled(parts(Version::V13).timestamp),
        token in shuffled(parts(Version::V13).token),
        rst in shuffled(parts(Version::V13).rst),
    ) {
        let text = Parts { header, security, timestamp, token, rst }.text(Version::V13, "");
        prop_assert_eq!(parsed(&text, Version::V13), Ok(expected()));
        let first = text.rfind("<s:Body>").expect("there is one");
        let start = text.find("<s:Header>").expect("there is one");
        let end = "</s:Envelope>";
        let swapped = [&text[..start], &text[first..text.len() - end.len()], &text[start..first], end].concat();
        prop_assert_eq!(parsed(&swapped, Version::V13), Ok(expected()));
    }

    /// What is left is refused, or says nothing that was not there.
    #[test]
    fn a_piece_cut_out_makes_nobody_else_of_anybody(start in any::<prop::sample::Index>(), length in 1..60_usize) {
        let text = good(Version::V13);
        let start = start.index(text.len());
        let end = (start + length).min(text.len());
        let cut = [&text[..start], &text[end..]].concat();
        if let Ok(document) = Document::parse(&cut)
            && let Ok(request) = read(document.root_element(), Version::V13)
        {
            let whole = expected();
            for (part, whole) in [
                (&request.username, &whole.username),
                (&request.applies_to, &whole.applies_to),
            ] {
                let fits = |at| whole.starts_with(&part[..at]) && whole.ends_with(&part[at..]);
                prop_assert!((0..=part.len()).any(fits), "{} of {}", part, whole);
            }
        }
    }

    #[test]
    fn every_password_arrives_as_it_was_typed(password in crate::xml::tests::any_text()) {
        prop_assume!(!password.is_empty());
        let mut writer = crate::xml::Writer::new();
        writer.text(&password).expect("XML can carry it");
        let text = replaced(&good(Version::Feb2005), " pass &lt;word&gt; &amp; more ", &writer.into_string());
        let request = parsed(&text, Version::Feb2005).expect("it is good");
        prop_assert_eq!(&*request.password, &password);
    }
}
