//! WS-Trust over HTTP: what a Windows PC sends and gets, and everything that nobody should send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use harness::{Browser, Database, Page, Setup, databases};
use roxmltree::{Document, Node};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::company::{CORRELATION_ID, Contoso, PASSWORD, REALM, assertion, text};

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const MEDIA_TYPE: &str = "application/soap+xml; charset=utf-8";
const LARGEST: usize = 64 << 10;
const WRONG: &str = "The user name or password is incorrect.";

/// One of the two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Feb2005,
    V13,
}

use Version::{Feb2005, V13};

impl Version {
    fn trust(self) -> &'static str {
        match self {
            Feb2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
            V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
        }
    }

    fn key_type(self) -> &'static str {
        match self {
            Feb2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
            V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
        }
    }

    fn via(self) -> &'static str {
        match self {
            Feb2005 => "ws-trust-2005",
            V13 => "ws-trust-13",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Feb2005 => "trust2005_url",
            V13 => "trust13_url",
        }
    }
}

/// Contoso, whose administrator has turned it on, and a PC.
struct Office {
    contoso: Contoso,
    pc: Browser,
}

impl Office {
    async fn on(database: Database) -> Self {
        Self::with(Setup::new(database)).await
    }

    async fn with(setup: Setup) -> Self {
        let office = Self {
            contoso: Contoso::with(setup).await,
            pc: Browser::new(),
        };
        office.set(&["--active", "on"]);
        office
    }

    fn set(&self, settings: &[&str]) {
        let command = [&["app", "set", self.contoso.id()], settings].concat();
        self.contoso.server.cli(&command).succeeded();
    }

    fn url(&self, version: Version) -> Url {
        let url = text(&self.contoso.app, version.field());
        url.parse().expect("a URL")
    }

    fn rst(&self, version: Version, upn: &str, password: &str) -> String {
        rst(version, self.url(version).as_str(), upn, password)
    }

    /// Sends whatever it is, as what it is not.
    async fn send(&self, version: Version, body: impl Into<Vec<u8>>) -> Page {
        self.send_to(&self.url(version), body, &[]).await
    }

    async fn send_to(&self, url: &Url, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Page {
        let mut request = self.pc.client().post(url.clone()).body(body.into());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", MEDIA_TYPE);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.pc.send(request).await
    }

    fn port(&self) -> u16 {
        self.url(V13).port().expect("a port")
    }

    /// The newest line of the audit.
    fn line(&self) -> Value {
        self.contoso.audit().remove(0)
    }

    fn good(&self) -> String {
        self.rst(V13, "alice@contoso.com", PASSWORD)
    }

    /// A good request with one thing replaced.
    fn changed(&self, from: &str, to: &str) -> Vec<u8> {
        replaced(&self.good(), from, to).into_bytes()
    }

    /// Sends what is understood and refused: which fault it is, about which message, and what is on record.
    async fn refused(&self, request: &str, subcode: &str, reason: &str) -> String {
        let page = self.send(V13, request).await;
        let said = fault(&page);
        assert_eq!(
            (page.status, &*said.code, &*said.subcode),
            (400, "s:Sender", subcode),
            "{}: {request}",
            said.reason
        );
        assert_eq!(said.relates_to.as_deref(), Some(message_id(request)));
        assert!(!said.reason.contains("evil"), "{}", said.reason);
        let line = self.line();
        assert_eq!(
            (text(&line, "event"), text(&line["details"], "reason")),
            ("token.refused", reason),
            "{request}"
        );
        said.reason
    }

    /// Sends what cannot be read: it is refused in words, which are in the audit too, and short.
    async fn unreadable(&self, body: Vec<u8>, media_type: &str, status: u16, why: &str) {
        let sent = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let headers = [("content-type", media_type)];
        let page = self.send_to(&self.url(V13), body, &headers).await;
        let said = fault(&page);
        assert_eq!(
            (page.status, &*said.code, &*said.subcode),
            (status, "s:Sender", "trust:InvalidRequest"),
            "{}: {sent}",
            said.reason
        );
        assert!(said.reason.contains(why), "{}: {sent}", said.reason);
        assert!(page.body.len() < 2000, "{sent} is echoed");
        let line = self.line();
        assert_eq!(
            (text(&line, "event"), text(&line, "correlation_id")),
            ("token.refused", correlation_id(&said.reason)),
            "{sent}"
        );
        assert_eq!(text(&line, "app_id"), self.contoso.id());
        let details = &line["details"];
        assert_eq!(
            (text(details, "reason"), text(details, "via")),
            ("bad-request", "ws-trust-13")
        );
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A request of this moment, in a form of its own.
fn rst(version: Version, to: &str, upn: &str, password: &str) -> String {
    let (trust, key_type) = (version.trust(), version.key_type());
    let (created, expires) = (written(now()), written(now() + TimeDelta::minutes(10)));
    let id = Uuid::new_v4();
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\" xmlns:u=\"{UTILITY}\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{trust}/RST/Issue</a:Action><a:MessageID>urn:uuid:{id}</a:MessageID>\
         <a:ReplyTo><a:Address>{ADDRESSING}/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">{to}</a:To>\
         <o:Security xmlns:o=\"{SECURITY}\" s:mustUnderstand=\"1\">\
         <u:Timestamp u:Id=\"_0\"><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp>\
         <o:UsernameToken u:Id=\"uuid-{id}\"><o:Username>{upn}</o:Username><o:Password>{password}</o:Password></o:UsernameToken>\
         </o:Security></s:Header><s:Body><t:RequestSecurityToken xmlns:t=\"{trust}\">\
         <p:AppliesTo xmlns:p=\"{POLICY}\"><a:EndpointReference><a:Address>{REALM}</a:Address></a:EndpointReference></p:AppliesTo>\
         <t:KeyType>{key_type}</t:KeyType><t:RequestType>{trust}/Issue</t:RequestType></t:RequestSecurityToken></s:Body></s:Envelope>"
    )
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

fn find<'a, 'i>(document: &'a Document<'i>, namespace: &str, name: &str) -> Node<'a, 'i> {
    let mut found = document
        .descendants()
        .filter(|node| node.has_tag_name((namespace, name)));
    let (Some(one), None) = (found.next(), found.next()) else {
        panic!("not exactly one {name} in {}", document.input_text())
    };
    one
}

fn message_id(request: &str) -> &str {
    let (_, rest) = request.split_once("MessageID>").expect("a MessageID");
    rest.split('<').next().expect("its text")
}

/// A fault as a client reads it.
#[derive(Debug)]
struct Fault {
    code: String,
    /// With its prefix, which has to be declared.
    subcode: String,
    namespace: String,
    reason: String,
    relates_to: Option<String>,
}

/// Reads an answer that has to be a fault and to say everything that every client wants.
fn fault(page: &Page) -> Fault {
    assert_eq!(
        page.header("content-type"),
        Some(MEDIA_TYPE),
        "{}",
        page.source()
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("set-cookie"), None);
    let document = Document::parse(page.source()).expect("it is well-formed");
    let values: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name((SOAP, "Value")))
        .collect();
    let [code, subcode] = values[..] else {
        panic!("not one code and one subcode: {}", page.source())
    };
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().to_owned();
    let (prefix, _) = subcode
        .text()
        .and_then(|name| name.split_once(':'))
        .expect("a prefix");
    let namespace = subcode.lookup_namespace_uri(Some(prefix));
    let namespace = namespace.expect("it is declared");
    let action = find(&document, ADDRESSING, "Action").text();
    let expected = match namespace {
        ADDRESSING => "http://www.w3.org/2005/08/addressing/fault",
        _ => "http://www.w3.org/2005/08/addressing/soap/fault",
    };
    assert_eq!(action, Some(expected));
    let relates_to = |node: &Node<'_, '_>| node.has_tag_name((ADDRESSING, "RelatesTo"));
    Fault {
        code: text(code),
        subcode: text(subcode),
        namespace: namespace.to_owned(),
        reason: text(find(&document, SOAP, "Text")),
        relates_to: document.descendants().find(relates_to).map(text),
    }
}

/// The code at the end of a reason, which the audit and the log have too.
fn correlation_id(reason: &str) -> &str {
    let (_, id) = reason.rsplit_once(" Correlation id: ").expect("one");
    assert_eq!(id.len(), 36, "{reason}");
    id
}

#[tokio::test]
async fn a_password_becomes_a_token_at_both_addresses() {
    for database in databases() {
        let office = Office::on(database).await;
        for version in [Feb2005, V13] {
            let request = office.rst(version, "alice@contoso.com", PASSWORD);
            let headers = [
                ("SOAPAction", "urn:whatever"),
                ("client-request-id", CORRELATION_ID),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-ms-forwarded-client-ip", "203.0.113.9"),
            ];
            // A query is nobody's: some clients cut it off.
            let mut url = office.url(version);
            url.set_query(Some("api-version=1&wa=wsignin1.0"));
            let page = office.send_to(&url, &*request, &headers).await;
            assert_eq!(page.status, 200, "{}", page.source());
            assert_eq!(page.header("content-type"), Some(MEDIA_TYPE));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert_eq!(page.header("set-cookie"), None);

            let document = Document::parse(page.source()).expect("it is well-formed");
            let of = |namespace, name| find(&document, namespace, name);
            let related = of(ADDRESSING, "RelatesTo").text();
            assert_eq!(related, Some(message_id(&request)));
            let trust = version.trust();
            let response = of(trust, "RequestSecurityTokenResponse");
            let around = response.parent().expect("a parent").tag_name().name();
            let (action, parent) = match version {
                Feb2005 => ("RSTR/Issue", "Body"),
                V13 => ("RSTRC/IssueFinal", "RequestSecurityTokenResponseCollection"),
            };
            assert_eq!(around, parent);
            let written = of(ADDRESSING, "Action").text();
            assert_eq!(written, Some(&*format!("{trust}/{action}")));
            let token_type = of(trust, "TokenType").text();
            assert_eq!(token_type, Some("urn:oasis:names:tc:SAML:1.0:assertion"));
            assert_eq!(of(trust, "KeyType").text(), Some(version.key_type()));
            let token = of(trust, "RequestedSecurityToken");
            let inside: Vec<_> = token.children().map(|node| node.range()).collect();
            assert_eq!(inside.len(), 1, "nothing is around the assertion");
            let assertion = assertion(page.source());
            assert_eq!(&page.source()[inside[0].clone()], assertion);
            assert!(assertion.contains(">alice@contoso.com</saml:AttributeValue>"));
            assert!(assertion.contains(&format!("<saml:Audience>{REALM}</saml:Audience>")));

            let lines = office.contoso.audit();
            for (line, event) in lines.iter().zip(["token.issued", "sign-in.accepted"]) {
                assert_eq!(
                    (
                        text(line, "event"),
                        text(line, "user_upn"),
                        text(line, "app_id")
                    ),
                    (event, "alice@contoso.com", office.contoso.id())
                );
                assert_eq!(
                    (text(line, "source"), text(line, "correlation_id")),
                    ("127.0.0.1", CORRELATION_ID)
                );
                assert_eq!(line["details"]["via"], version.via());
            }
        }
    }
}

#[tokio::test]
async fn the_description_is_there_by_get_and_by_soap() {
    for database in databases() {
        let office = Office::on(database).await;
        let url: Url = text(&office.contoso.app, "mex_url").parse().expect("a URL");
        office.set(&["--active", "off"]);
        // MSAL for Go says what it sends, and sends nothing.
        let get = office.pc.client().get(url.clone());
        let page = office
            .pc
            .send(get.header("content-type", "application/xml"))
            .await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), Some("text/xml; charset=utf-8"));
        let document = Document::parse(page.source()).expect("it is well-formed");
        assert_eq!(document.root_element().tag_name().name(), "definitions");
        for version in [Feb2005, V13] {
            let address = format!(">{}</wsa10:Address>", office.url(version));
            assert_eq!(page.source().matches(&address).count(), 1);
        }

        let action = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
        let get = format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\"><s:Header><a:Action s:mustUnderstand=\"1\">{action}</a:Action>\
             <a:MessageID>urn:uuid:1</a:MessageID><a:To s:mustUnderstand=\"1\">{url}</a:To></s:Header><s:Body/></s:Envelope>"
        );
        let answer = office.send_to(&url, &*get, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.source());
        assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
        assert!(answer.source().contains(page.source()));
        assert!(answer.source().contains(">urn:uuid:1</wsa:RelatesTo>"));

        let put = replaced(&get, "transfer/Get", "transfer/Put");
        let refused = office.send_to(&url, put, &[]).await;
        let said = fault(&refused);
        assert_eq!(
            (refused.status, &*said.subcode),
            (400, "wsa:ActionNotSupported")
        );
        assert_eq!(said.relates_to.as_deref(), Some("urn:uuid:1"));
        let line = office.line();
        assert_eq!(line["details"]["reason"], "bad-request");
        assert_eq!(line["correlation_id"], correlation_id(&said.reason));

        // A domain that speaks SAML has no WS-Trust.
        office.set(&["--protocol", "saml"]);
        assert_eq!(office.pc.get(&url).await.status, 404);
        let refused = office.send_to(&url, get, &[]).await;
        assert_eq!(
            (refused.status, fault(&refused).subcode),
            (404, "trust:RequestFailed".to_owned())
        );
        let rst = office.rst(V13, "alice@contoso.com", PASSWORD);
        assert_eq!(office.send(V13, rst).await.status, 404);
    }
}

#[tokio::test]
async fn a_document_type_is_refused_and_nothing_is_fetched() {
    for database in databases() {
        let office = Office::on(database).await;
        let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let outside = format!("http://{}/x", nobody.local_addr().expect("it is bound"));
        let laughs: String = (1..40)
            .map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)))
            .collect::<Vec<_>>()
            .concat();
        for definition in [
            "s:Envelope".to_owned(),
            format!("x SYSTEM \"{outside}\""),
            format!("x PUBLIC \"x\" \"{outside}\""),
            "x [<!ENTITY a \"alice\">]".to_owned(),
            "x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]".to_owned(),
            format!("x [<!ENTITY a SYSTEM \"{outside}\">]"),
            format!("x [<!ENTITY % b SYSTEM \"{outside}\">%b;]"),
            format!("x [<!ENTITY a0 \"ha\">{laughs}<!ENTITY a \"&a39;\">]"),
        ] {
            for request in [office.good(), replaced(&office.good(), "alice@", "&a;@")] {
                let body = format!("<!DOCTYPE {definition}>{request}").into_bytes();
                let why = "document type declaration";
                office.unreadable(body, MEDIA_TYPE, 400, why).await;
            }
        }
        let unknown = office.changed("alice@", "&alice;@");
        let why = "not well-formed";
        office.unreadable(unknown, MEDIA_TYPE, 400, why).await;

        // Answers travel back on the line that the question came on, whatever else the message names.
        let elsewhere = format!(
            "<s:Header><a:ReplyTo><a:Address>{outside}</a:Address></a:ReplyTo>\
             <a:FaultTo><a:Address>{outside}</a:Address></a:FaultTo>\
             <i:include xmlns:i=\"http://www.w3.org/2001/XInclude\" href=\"{outside}\"/>\
             <x:x xmlns:x=\"urn:x\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:schemaLocation=\"urn:x {outside}\"/>"
        );
        let page = office
            .send(V13, office.changed("<s:Header>", &elsewhere))
            .await;
        assert_eq!(page.status, 200, "{}", page.source());
        nobody.set_nonblocking(true).expect("it can");
        let call = nobody.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(call, Err(ErrorKind::WouldBlock), "somebody was asked");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_what_is_just_not_is_taken() {
    for database in databases() {
        let office = Office::on(database).await;
        let attributes = |of: &str, many| {
            let all: Vec<_> = (0..many).map(|n| format!(" {of}{n}='x'")).collect();
            office.changed("<o:Username>", &format!("<o:Username{}>", all.concat()))
        };
        let inside = |more: &str| office.changed("<o:Username>", &format!("{more}<o:Username>"));
        let padded = |size: usize| {
            let good = office.good();
            let padding = " ".repeat(size - good.len() - "<!---->".len());
            format!("{good}<!--{padding}-->").into_bytes()
        };
        let deep = ["<x>".repeat(5000), "</x>".repeat(5000)].concat();
        for (body, status, why) in [
            (inside(&deep), 400, "nested too deeply"),
            (inside(&"<x>".repeat(5000)), 400, "nested too deeply"),
            (inside(&"<x/>".repeat(5000)), 400, "too many parts"),
            (attributes("a", 5000), 400, "too many attributes"),
            (attributes("xmlns:a", 1000), 400, "too many attributes"),
            (attributes("a", 100_000), 413, "larger than 65536 bytes"),
            (inside(&"x".repeat(1 << 20)), 413, "larger than 65536 bytes"),
            (padded(LARGEST + 1), 413, "larger than 65536 bytes"),
        ] {
            office.unreadable(body, MEDIA_TYPE, status, why).await;
        }
        let page = office.send(V13, padded(LARGEST)).await;
        assert_eq!(page.status, 200, "{}", page.source());

        // What is read further is not echoed either.
        let long = format!("<{}/><o:UsernameToken ", "x".repeat(60_000));
        let long = office.changed("<o:UsernameToken ", &long);
        let page = office.send(V13, long).await;
        let subcode = fault(&page).subcode;
        assert_eq!(
            (page.status, &*subcode),
            (400, "wsse:UnsupportedSecurityToken")
        );
        assert!(page.body.len() < 2000);
    }
}

#[tokio::test]
async fn what_is_no_message_is_a_fault_that_says_why() {
    for database in databases() {
        let office = Office::on(database).await;
        let before = |prolog: &str| [prolog, &office.good()].concat().into_bytes();
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            let text = format!("\u{feff}{}", office.good());
            text.encode_utf16().flat_map(bytes).collect::<Vec<_>>()
        };
        let broken = [&office.changed("alice@", "alice@")[..], b"\xc3\x28"].concat();
        let half = office.good().into_bytes()[..900].to_vec();
        for (body, why) in [
            (
                before("<?xml version='1.0' encoding='UTF-7'?>"),
                "not in UTF-8",
            ),
            (before("<?xml version='1.1'?>"), "not XML 1.0"),
            (utf16(u16::to_le_bytes), "not in UTF-8"),
            (utf16(u16::to_be_bytes), "not in UTF-8"),
            (broken, "not in UTF-8"),
            (Vec::new(), "not well-formed"),
            (b"hello".to_vec(), "not well-formed"),
            (half, "not well-formed"),
            (before(&office.good()), "not well-formed"),
            (
                b"<html><body/></html>".to_vec(),
                "\"html\", which is not answered",
            ),
        ] {
            office.unreadable(body, MEDIA_TYPE, 400, why).await;
        }
        for media_type in [
            "application/json",
            "application/x-www-form-urlencoded",
            // What a page of another site can send without asking.
            "text/plain",
            "text/xml; charset=utf-8",
            "application/soap+xml; charset=iso-8859-1",
            "",
        ] {
            let body = office.good().into_bytes();
            let why = "not sent as application/soap+xml in UTF-8";
            office.unreadable(body, media_type, 415, why).await;
        }
        for good in ["\u{feff}", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"] {
            let page = office.send(V13, before(good)).await;
            assert_eq!(page.status, 200, "{good:?}: {}", page.source());
        }
    }
}

/// Sends these bytes as they are and returns the head of the answer.
fn raw(office: &Office, head: &str, body: &[u8]) -> String {
    let mut line = TcpStream::connect(("127.0.0.1", office.port())).expect("the server listens");
    let path = office.url(V13).path().to_owned();
    write!(
        line,
        "POST {path} HTTP/1.1\r\nhost: localhost:{}\r\ncontent-type: {MEDIA_TYPE}\r\n{head}\r\n\r\n",
        office.port()
    )
    .expect("sent");
    let mut answers = line.try_clone().expect("a second hold on the line");
    let reader = std::thread::spawn(move || {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && answers.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        String::from_utf8_lossy(&head).to_lowercase()
    });
    // The server may hang up before all is sent, which is the point.
    let _ = line.write_all(body);
    reader.join().expect("it reads to the end")
}

#[tokio::test]
async fn a_body_in_pieces_is_measured_and_one_without_end_is_not_waited_for() {
    for database in databases() {
        let office = Office::on(database).await;
        let chunked = |body: &str| {
            let pieces = body.as_bytes().chunks(1000);
            let mut sent: Vec<u8> = pieces
                .flat_map(|piece| {
                    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
                })
                .collect();
            sent.extend_from_slice(b"0\r\n\r\n");
            raw(&office, "transfer-encoding: chunked", &sent)
        };
        let good = office.rst(V13, "alice@contoso.com", PASSWORD);
        let answer = chunked(&good);
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        let padding = " ".repeat(LARGEST);
        let answer = chunked(&format!("{good}{padding}"));
        assert!(answer.starts_with("http/1.1 413 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");

        // 50 MiB are promised, a little more than is read ever comes, and the answer does not wait.
        let some = vec![b' '; LARGEST + 1];
        for length in [50_u64 << 20, u64::MAX >> 1] {
            let answer = raw(&office, &format!("content-length: {length}"), &some);
            assert!(answer.starts_with("http/1.1 413 "), "{answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
        let whole = vec![b' '; 50 << 20];
        let answer = raw(&office, &format!("content-length: {}", whole.len()), &whole);
        assert!(answer.starts_with("http/1.1 413 "), "{answer}");
        for broken in [
            "content-length: 10\r\ntransfer-encoding: chunked",
            "content-length: -1",
        ] {
            let answer = raw(&office, broken, b"0\r\n\r\n");
            assert!(!answer.starts_with("http/1.1 200 "), "{broken}: {answer}");
        }
        assert_eq!(office.send(V13, good).await.status, 200);
    }
}

#[tokio::test]
async fn a_browser_at_the_address_of_programs_is_told_so() {
    for database in databases() {
        let office = Office::on(database).await;
        for version in [Feb2005, V13] {
            let before = office.contoso.audit().len();
            let page = office.pc.get(&office.url(version)).await;
            assert_eq!((page.status, page.header("allow")), (405, Some("POST")));
            let said = page.text("main");
            assert!(said.contains("Windows and other programs"), "{said}");
            let put = office.pc.client().put(office.url(version));
            let put = put.header("accept", "text/plain").body("x");
            let answer = office.pc.send(put).await;
            assert_eq!(answer.status, 405);
            assert!(answer.source().contains("SOAP message of WS-Trust"));
            assert_eq!(office.contoso.audit().len(), before, "a slip is no line");
        }
    }
}

#[tokio::test]
async fn a_request_for_another_address_app_or_time_is_refused() {
    for database in databases() {
        let office = Office::on(database).await;
        let here = office.url(V13);
        let other_app = "/wsfed/0123456789abcdef01234567/trust/13/usernamemixed";
        let to = |change: &dyn Fn(&mut Url)| {
            let mut url = here.clone();
            change(&mut url);
            rst(V13, url.as_str(), "alice@contoso.com", PASSWORD)
        };
        let to_host = |host| to(&|url| url.set_host(Some(host)).expect("a host"));
        let with = |from: &str, to: &str| replaced(&office.good(), from, to);
        for request in [
            to_host("evil.example"),
            to_host("127.0.0.1"),
            to(&|url| url.set_port(Some(9)).expect("a port")),
            to(&|url| *url = office.url(Feb2005)),
            to(&|url| url.set_path(other_app)),
            to(&|url| url.set_path("/adfs/services/trust/13/usernamemixed")),
            with(here.as_str(), "urn:federation:MicrosoftOnline"),
        ] {
            let (subcode, reason) = ("wsa:DestinationUnreachable", "foreign-destination");
            office.refused(&request, subcode, reason).await;
        }
        let realm = with(REALM, "urn:federation:microsoftonline");
        let subcode = "trust:InvalidScope";
        office.refused(&realm, subcode, "foreign-realm").await;
        let old = office.good();
        let (_, created) = old.split_once("<u:Created>").expect("a time");
        let long_ago = written(now() - TimeDelta::minutes(6));
        let old = replaced(&old, &created[..long_ago.len()], &long_ago);
        let said = office.refused(&old, "wsu:MessageExpired", "stale").await;
        assert!(
            said.contains("clock of the computer that sent it"),
            "{said}"
        );

        // A proxy may call the server by another name than people do, and sends on what it was sent.
        let name = format!("inside.contoso.com:{}", office.port());
        let inside = to_host("inside.contoso.com");
        let page = office.send_to(&here, inside, &[("host", &name)]).await;
        assert_eq!(page.status, 200, "{}", page.source());

        for id in [
            "663a8fb979aa83c58df6081e",
            "x",
            "%00",
            "..%2f..%2fetc",
            &"a".repeat(5000),
        ] {
            let path = format!("/wsfed/{id}/trust/13/usernamemixed");
            let url = here.join(&path).expect("a URL");
            let page = office.send_to(&url, office.good(), &[]).await;
            let said = fault(&page);
            assert_eq!((page.status, &*said.subcode), (404, "trust:RequestFailed"));
            assert_eq!(office.line()["details"]["reason"], "unknown-app", "{id}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_not_as_it_should_be_is_refused_before_the_password() {
    for database in databases() {
        let office = Office::on(database).await;
        let digest = "<o:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">";
        let twice = "<o:Username>ada@contoso.com</o:Username><o:Username>";
        for (from, to, subcode) in [
            ("<o:Password>", digest, "wsse:UnsupportedSecurityToken"),
            ("<o:Username>", twice, "wsse:InvalidSecurity"),
            (
                "<t:KeyType>",
                "<t:OnBehalfOf/><t:KeyType>",
                "trust:InvalidRequest",
            ),
            ("RST/Issue", "RST/Validate", "wsa:ActionNotSupported"),
        ] {
            let request = replaced(&office.good(), from, to);
            office.refused(&request, subcode, "bad-request").await;
        }
        let other = office.rst(Feb2005, "alice@contoso.com", PASSWORD);
        let subcode = "wsa:ActionNotSupported";
        office.refused(&other, subcode, "bad-request").await;
        let header = "<x:Mine xmlns:x=\"urn:x\" s:mustUnderstand=\"1\"/><o:Security ";
        let page = office
            .send(V13, office.changed("<o:Security ", header))
            .await;
        assert_eq!(
            (page.status, &*fault(&page).code),
            (400, "s:MustUnderstand")
        );
    }
}

/// An answer without what differs from one request to the next.
fn without_ids(page: &Page, request: &str) -> (u16, Vec<(String, String)>, String) {
    let said = fault(page);
    let source = page
        .source()
        .replace(message_id(request), "MESSAGE")
        .replace(correlation_id(&said.reason), "CORRELATION");
    let headers = page.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| {
        let value = value.to_str().expect("the server writes ASCII headers");
        (name.to_string(), value.to_owned())
    });
    (page.status, headers.collect(), source)
}

#[tokio::test]
async fn wrong_names_and_passwords_are_answered_alike() {
    for database in databases() {
        let office = Office::on(database).await;
        for version in [Feb2005, V13] {
            let mut answers = Vec::new();
            for (upn, password) in [
                ("alice@contoso.com", "wrong"),
                ("nobody@contoso.com", "wrong"),
                ("dave@contoso.com", "wrong"),
                ("frank@fabrikam.com", "wrong"),
                ("nobody@elsewhere.example", "wrong"),
                ("alice", PASSWORD),
                ("\u{430}lice@contoso.com", PASSWORD),
                ("alice@contoso.com\u{202e}", PASSWORD),
                ("alice@contoso.com&apos; OR 1=1 --", PASSWORD),
            ] {
                let request = office.rst(version, upn, password);
                let page = office.send(version, &*request).await;
                let said = fault(&page);
                assert_eq!((page.status, &*said.code), (400, "s:Sender"), "{upn}");
                assert_eq!(
                    (&*said.subcode, &*said.namespace),
                    ("wsse:FailedAuthentication", SECURITY)
                );
                assert_eq!(said.relates_to.as_deref(), Some(message_id(&request)));
                answers.push(without_ids(&page, &request));
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{answers:?}");
            let (_, headers, source) = &answers[0];
            assert!(headers.iter().all(|(name, _)| name != "retry-after"));
            let said = format!(
                ">{WRONG} They do not belong to any active account here. Try again, or ask your administrator for a new password. Correlation id: CORRELATION<"
            );
            assert!(source.contains(&said), "{source}");
        }
    }
}

#[tokio::test]
async fn wrong_passwords_are_counted_here_and_on_the_page_together() {
    for database in databases() {
        let office = Office::on(database).await;
        let sign_in = office.contoso.server.url("/sign-in");
        let on_page = async |upn, password| {
            let stranger = Browser::new();
            let page = office.contoso.sign_in(&stranger, &sign_in, upn, password);
            page.await.status
        };
        for (upn, status) in [("ada@contoso.com", 400), ("nobody@contoso.com", 500)] {
            office.set(&["--active-status", &status.to_string()]);
            for version in [Feb2005, Feb2005, V13] {
                let request = office.rst(version, upn, "guess");
                let page = office.send(version, request).await;
                assert_eq!(page.status, status);
                assert!(fault(&page).reason.starts_with(WRONG));
            }
            for _ in 0..2 {
                assert_eq!(on_page(upn, "guess").await, 403);
            }
            // Five: everybody waits, with the right password too.
            assert_eq!(on_page(upn, PASSWORD).await, 429);
            let page = office.send(V13, office.rst(V13, upn, PASSWORD)).await;
            let said = fault(&page);
            assert_eq!(
                (page.status, &*said.subcode),
                (status, "wsse:FailedAuthentication")
            );
            let why = "too many wrong passwords";
            assert!(said.reason.contains(why), "{}", said.reason);
            let wait = page.header("retry-after").expect("how long");
            let seconds: u32 = wait.parse().expect("a number");
            assert!((1..=30).contains(&seconds), "{seconds}");
            assert_eq!(office.contoso.last_reason("sign-in.refused"), "locked");
        }
        // With 500 no client asks at once again, and what is not about the password stays 400.
        let request = office.rst(V13, "alice@contoso.com", "guess");
        for _ in 0..2 {
            let page = office.send(V13, &*request).await;
            assert_eq!((page.status, page.header("retry-after")), (500, Some("1")));
            assert_eq!(fault(&page).code, "s:Sender");
        }
        let foreign = replaced(&request, REALM, "urn:x");
        assert_eq!(office.send(V13, foreign).await.status, 400);
        let carol = office.rst(V13, "carol@contoso.com", PASSWORD);
        assert_eq!(office.send(V13, carol).await.status, 400);
    }
}

#[tokio::test]
async fn who_may_not_and_where_nobody_may_is_said_in_words() {
    for database in databases() {
        let office = Office::on(database).await;
        let cases = [
            (
                "carol@contoso.com",
                "t:RequestFailed",
                "not-granted",
                "carol@contoso.com does not have access to Contoso 365.",
            ),
            (
                "frank@fabrikam.com",
                "t:RequestFailed",
                "outside-domain",
                "frank@fabrikam.com cannot be signed in to Contoso 365.",
            ),
            (
                "dave@contoso.com",
                "wsse:FailedAuthentication",
                "user-disabled",
                "The account dave@contoso.com is disabled.",
            ),
        ];
        for (upn, subcode, reason, words) in cases {
            let page = office
                .send(Feb2005, office.rst(Feb2005, upn, PASSWORD))
                .await;
            let said = fault(&page);
            assert_eq!(
                (page.status, &*said.code, &*said.subcode),
                (400, "s:Sender", subcode)
            );
            assert!(said.reason.starts_with(words), "{}", said.reason);
            let line = office
                .contoso
                .audit()
                .into_iter()
                .find(|line| line["details"]["reason"] == reason);
            let line = line.unwrap_or_else(|| panic!("no {reason}"));
            assert_eq!(
                (
                    text(&line, "user_upn"),
                    text(&line, "app_id"),
                    text(&line, "correlation_id")
                ),
                (upn, office.contoso.id(), correlation_id(&said.reason))
            );
            assert_eq!(line["details"]["via"], "ws-trust-2005");
        }
        let refused = async |settings: &[&str]| {
            office.set(settings);
            // A wrong password: nobody looks at it.
            let request = office.rst(Feb2005, "alice@contoso.com", "guess");
            let headers = [
                ("x-forwarded-for", "203.0.113.9"),
                ("forwarded", "for=203.0.113.9"),
                ("x-real-ip", "203.0.113.9"),
                ("x-ms-forwarded-client-ip", "203.0.113.9"),
            ];
            let page = office
                .send_to(&office.url(Feb2005), request, &headers)
                .await;
            let said = fault(&page);
            assert_eq!(
                (&*said.code, &*said.subcode),
                ("s:Sender", "t:RequestFailed")
            );
            assert_eq!(text(&office.line(), "source"), "127.0.0.1");
            (
                page.status,
                said.reason,
                office.contoso.last_reason("token.refused"),
            )
        };
        let (status, words, reason) = refused(&["--active-from", "203.0.113.0/24"]).await;
        assert_eq!((status, &*reason), (403, "foreign-network"));
        assert!(words.contains("from this network"), "{words}");
        let (status, words, reason) = refused(&["--active", "off"]).await;
        assert_eq!((status, &*reason), (403, "active-off"));
        assert!(words.contains("countersign app set --active on"), "{words}");
        let (status, words, reason) = refused(&["--enabled", "off"]).await;
        assert_eq!((status, &*reason), (400, "app-disabled"));
        assert!(words.contains("switched this application off"), "{words}");
        office.set(&[
            "--enabled",
            "on",
            "--active",
            "on",
            "--active-from",
            "127.0.0.0/8",
        ]);
        let page = office
            .send(Feb2005, office.rst(Feb2005, "alice@contoso.com", PASSWORD))
            .await;
        assert_eq!(page.status, 200);
    }
}

#[tokio::test]
async fn nothing_odd_and_nothing_secret_gets_into_the_log_and_the_audit() {
    for database in databases() {
        let office = Office::on(database).await;
        let secret = "Tr0ub4dor-and-3";
        let odd = "alice\u{202e}\u{85}&#10;{\"level\":\"ERROR\"}&#13;\u{2028}@contoso.com";
        for (upn, password) in [
            (odd, secret),
            (secret, "alice@contoso.com"),
            ("alice@contoso.com", secret),
            ("alice@contoso.com", PASSWORD),
        ] {
            let request = office.rst(V13, upn, password);
            let named = replaced(&request, "urn:uuid:", "urn:\u{202e}&#10;forged&#9;uuid:");
            office.send(V13, named).await;
            let unread = replaced(&request, "</o:Password>", "</o:password>");
            office.send(V13, unread).await;
            let foreign = replaced(&request, REALM, secret);
            office.send(V13, foreign).await;
        }
        let headers = [
            "client-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e, forged",
            "client-request-id: \x1b[31m0f8fad5b-d9cb-469f-a165-70867728",
            "client-request-id: 0f8fad5b-d9cb-469f-a165-70867728950\t",
            "client-request-id: {\"level\":\"ERROR\"}",
            "client-request-id: \u{202e}f8fad5b-d9cb-469f-a165-7086772895",
            "user-agent: \x1b[31m\u{202e}",
        ];
        for header in headers {
            let request = office.rst(V13, "alice@contoso.com", "wrong");
            let request = replaced(&request, REALM, "urn:x");
            let head = format!("{header}\r\ncontent-length: {}", request.len());
            let answer = raw(&office, &head, request.as_bytes());
            assert!(answer.starts_with("http/1.1 400 "), "{header:?}: {answer}");
        }
        let known = format!("client-request-id: {CORRELATION_ID}\r\ncontent-length: 0");
        raw(&office, &known, b"");
        let line = office.line();
        assert_eq!(line["correlation_id"], CORRELATION_ID);

        let audit = serde_json::to_string(&office.contoso.audit()).expect("JSON");
        let log = office.contoso.server.log();
        for line in log.lines().filter(|line| !line.contains("/setup/")) {
            if line.starts_with('{') {
                let line: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_ne!(line["level"], "ERROR", "{line}");
            }
        }
        assert!(log.contains("Issued a token by WS-Trust") && log.contains("bad-request"));
        for (place, text) in [("audit", &audit), ("log", &log)] {
            for odd in [
                "\u{202e}", "\\u202e", "\u{1b}", "\\u001b", "\u{85}", "\u{2028}", "forged",
            ] {
                assert!(!text.contains(odd), "{odd:?} is in the {place}");
            }
            for secret in [secret, PASSWORD, "UsernameToken"] {
                assert!(!text.contains(secret), "{secret} is in the {place}");
            }
        }
    }
}

#[tokio::test]
async fn a_flood_is_turned_away_at_the_door() {
    for database in databases() {
        let office = Office::on(database).await;
        let before = office.contoso.audit().len();
        let requests: Vec<_> = (0..400)
            .map(|number| {
                let version = if number % 2 == 0 { Feb2005 } else { V13 };
                let upn = format!("nobody{number}@contoso.com");
                let request = office.pc.client().post(office.url(version));
                let request = request
                    .header("content-type", MEDIA_TYPE)
                    .body(office.rst(version, &upn, "guess"));
                let pc = office.pc.clone();
                tokio::spawn(async move { pc.send(request).await })
            })
            .collect();
        let (mut refused, mut turned_away) = (0, 0);
        for answer in requests {
            let page = answer.await.expect("it is answered");
            let said = fault(&page);
            match page.status {
                400 => {
                    assert_eq!(said.subcode, "wsse:FailedAuthentication");
                    refused += 1;
                }
                503 => {
                    assert_eq!(said.code, "s:Receiver");
                    assert!(said.subcode.ends_with(":RequestFailed"), "{}", said.subcode);
                    assert_eq!(page.header("retry-after"), Some("2"));
                    turned_away += 1;
                }
                other => panic!("{other}: {}", page.source()),
            }
        }
        assert!(turned_away > 0, "{refused} were all looked at");
        let lines = office
            .contoso
            .server
            .cli_json(&["audit", "list", "--limit", "1000"]);
        let lines = lines.as_array().expect("a list").len();
        assert_eq!(
            lines,
            before + refused,
            "what was turned away was no attempt"
        );
    }
}

#[tokio::test]
async fn without_the_database_nothing_is_refused_that_could_have_been_granted() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let (setup, cable) = Setup::new(Database::Postgres).with_cable();
    let office = Office::with(setup).await;
    let before = office.contoso.audit().len();
    let mex: Url = text(&office.contoso.app, "mex_url").parse().expect("a URL");
    cable.cut();
    for password in ["guess", PASSWORD, "guess", "guess", "guess", "guess"] {
        let page = office
            .send(V13, office.rst(V13, "alice@contoso.com", password))
            .await;
        let said = fault(&page);
        assert_eq!(
            (page.status, &*said.code, &*said.subcode),
            (503, "s:Receiver", "trust:RequestFailed")
        );
        assert!(page.header("retry-after").is_some());
        let why = "the database does not answer. Try again in a few seconds. Correlation";
        assert!(said.reason.contains(why), "{}", said.reason);
        assert!(!said.reason.to_lowercase().contains("postgres"));
    }
    // Not even what cannot be read, which would have to be on record.
    assert_eq!(office.send(V13, "hello").await.status, 503);
    assert_eq!(office.pc.get(&mex).await.status, 503);
    cable.mend();
    let page = office
        .send(V13, office.rst(V13, "alice@contoso.com", PASSWORD))
        .await;
    assert_eq!(page.status, 200, "nothing was counted: {}", page.source());
    assert_eq!(
        office.contoso.audit().len(),
        before + 2,
        "a sign-in and a token"
    );
}
