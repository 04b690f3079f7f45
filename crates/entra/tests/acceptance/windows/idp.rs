//! An identity provider of the tests' own: what it writes, and where it listens.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use entra::Tenant;
use entra::checks::windows::Version;

use crate::token::{Scene, tenant};

pub const SOAP: &str = "application/soap+xml; charset=utf-8";
pub const PASSWORD: &str = " <pass&\"wörd'> ";

/// The metadata of an identity provider at `base`, shaped as AD FS shapes its own.
pub fn mex(base: &str) -> String {
    let [first, second] = Version::BOTH.map(Words::of);
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><wsdl:definitions name="STS" targetNamespace="urn:sts" xmlns:tns="urn:sts" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:wsa10="http://www.w3.org/2005/08/addressing" xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd" xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy">{}{}<wsdl:types/>{}{}<wsdl:service name="STS">{}{}</wsdl:service></wsdl:definitions>"#,
        first.policy(),
        second.policy(),
        first.binding(),
        second.binding(),
        first.port(base),
        second.port(base),
    )
}

/// What a version says in its own words.
struct Words {
    name: &'static str,
    path: &'static str,
    sp: &'static str,
    tokens: &'static str,
    action: String,
}

impl Words {
    fn of(version: Version) -> Self {
        let action = version.request_action();
        match version {
            Version::Feb2005 => Self {
                name: "Feb2005",
                path: "trust/2005/usernamemixed",
                sp: "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
                tokens: "SignedSupportingTokens",
                action,
            },
            Version::Trust13 => Self {
                name: "Trust13",
                path: "trust/13/usernamemixed",
                sp: "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
                tokens: "SignedEncryptedSupportingTokens",
                action,
            },
        }
    }

    fn policy(&self) -> String {
        let Self {
            name, sp, tokens, ..
        } = self;
        format!(
            r#"<wsp:Policy wsu:Id="{name}_policy"><wsp:ExactlyOne><wsp:All><sp:TransportBinding xmlns:sp="{sp}"><wsp:Policy/></sp:TransportBinding><sp:{tokens} xmlns:sp="{sp}"><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy></sp:{tokens}></wsp:All></wsp:ExactlyOne></wsp:Policy>"#
        )
    }

    fn binding(&self) -> String {
        let Self { name, action, .. } = self;
        format!(
            r##"<wsdl:binding name="{name}_binding" type="tns:{name}"><wsp:PolicyReference URI="#{name}_policy"/><soap12:binding transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="Issue"><soap12:operation soapAction="{action}" style="document"/></wsdl:operation></wsdl:binding>"##
        )
    }

    fn port(&self, base: &str) -> String {
        let Self { name, path, .. } = self;
        format!(
            r#"<wsdl:port name="{name}_port" binding="tns:{name}_binding"><soap12:address location="{base}/{path}"/><wsa10:EndpointReference><wsa10:Address>{base}/{path}</wsa10:Address></wsa10:EndpointReference></wsdl:port>"#
        )
    }
}

/// The answer with a token to the message of this identifier.
pub fn token(version: Version, message_id: &str) -> String {
    issued(version, message_id, &Scene::new().signed())
}

pub fn issued(version: Version, message_id: &str, assertion: &str) -> String {
    let (open, close) = match version {
        Version::Feb2005 => (String::new(), ""),
        Version::Trust13 => (
            format!(
                r#"<t:RequestSecurityTokenResponseCollection xmlns:t="{}">"#,
                version.namespace()
            ),
            "</t:RequestSecurityTokenResponseCollection>",
        ),
    };
    envelope(
        &version.response_action(),
        message_id,
        &format!(
            r#"{open}<t:RequestSecurityTokenResponse xmlns:t="{}"><t:Lifetime><u:Created>2026-11-21T09:59:58.123Z</u:Created><u:Expires>2026-11-21T10:59:58.123Z</u:Expires></t:Lifetime><wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><a:EndpointReference><a:Address>urn:federation:MicrosoftOnline</a:Address></a:EndpointReference></wsp:AppliesTo><t:RequestedSecurityToken>{assertion}</t:RequestedSecurityToken><t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType><t:RequestType>{}</t:RequestType><t:KeyType>{}</t:KeyType></t:RequestSecurityTokenResponse>{close}"#,
            version.namespace(),
            version.request_type(),
            version.key_type(),
        ),
    )
}

pub fn fault(message_id: &str) -> String {
    envelope(
        "http://www.w3.org/2005/08/addressing/soap/fault",
        message_id,
        r#"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">w:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">The password is <b>wrong</b>.</s:Text></s:Reason></s:Fault>"#,
    )
    .replace("<b>wrong</b>", "&lt;b&gt;wrong&lt;/b&gt;")
}

fn envelope(action: &str, message_id: &str, content: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"><s:Header><a:Action s:mustUnderstand="1">{action}</a:Action><a:RelatesTo>{message_id}</a:RelatesTo><o:Security s:mustUnderstand="1" xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><u:Timestamp u:Id="_0"><u:Created>2026-11-21T09:59:59Z</u:Created><u:Expires>2026-11-21T10:04:59Z</u:Expires></u:Timestamp></o:Security></s:Header><s:Body>{content}</s:Body></s:Envelope>"#
    )
}

/// An identity provider that listens on this machine.
pub struct Idp {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that came.
#[derive(Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// How it differs from a good one.
#[derive(Clone, Copy)]
pub struct Manner {
    pub status_of_refusal: StatusCode,
    pub retry_after: bool,
    /// This text becomes that, in everything that it sends.
    pub change: Option<(&'static str, &'static str)>,
}

impl Manner {
    pub const GOOD: Self = Self {
        status_of_refusal: StatusCode::BAD_REQUEST,
        retry_after: false,
        change: None,
    };
}

#[derive(Clone)]
struct Desk {
    base: String,
    manner: Manner,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Idp {
    pub async fn start(manner: Manner) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let socket = socket.expect("there is a free port");
        let address = socket.local_addr().expect("it is bound");
        let desk = Desk {
            base: format!("http://{address}/contoso"),
            manner,
            seen: Arc::default(),
        };
        let idp = Self {
            base: desk.base.clone(),
            seen: Arc::clone(&desk.seen),
        };
        let router = Router::new().fallback(answer).with_state(desk);
        tokio::spawn(async { axum::serve(socket, router).await });
        idp
    }

    /// A tenant in which contoso.example has this identity provider.
    pub fn tenant(&self) -> Tenant {
        let mut tenant = tenant();
        for domain in ["contoso.example", "saml.example"] {
            let federation = tenant
                .domains
                .iter_mut()
                .find(|found| found.name == domain)
                .and_then(|found| found.federation.as_mut());
            let federation = federation.expect("it is federated");
            federation.metadata_exchange_uri = Some(format!("{}/trust/mex", self.base));
        }
        tenant
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// The passwords that came.
    pub fn sent(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method == Method::POST);
        seen
    }
}

impl Seen {
    /// The text of the element of this local name, whatever its prefix.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let document = roxmltree::Document::parse(&self.body).expect("it is XML");
        let node = document
            .descendants()
            .find(|node| node.tag_name().name() == name);
        let text = node.and_then(|node| node.text());
        text.unwrap_or_else(|| panic!("{name} is not in {}", self.body))
            .to_owned()
    }
}

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await;
    let seen = Seen {
        method: parts.method,
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.expect("it ends").into()).expect("it is text"),
    };
    desk.seen
        .lock()
        .expect("nobody panicked")
        .push(seen.clone());
    let manner = desk.manner;
    let changed = |text: String| match manner.change {
        Some((from, to)) => text.replace(from, to),
        None => text,
    };
    let version = match seen.path.as_str() {
        "/contoso/trust/mex" => {
            let sent = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
            return (sent, changed(mex(&desk.base))).into_response();
        }
        "/contoso/trust/2005/usernamemixed" => Version::Feb2005,
        "/contoso/trust/13/usernamemixed" => Version::Trust13,
        "/contoso/trust/away" => {
            return axum::response::Redirect::temporary("/contoso/trust/mex").into_response();
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let message_id = ["MessageID", "messageID"]
        .into_iter()
        .find(|name| seen.body.contains(name))
        .map(|name| seen.text(name));
    let message_id = message_id.expect("each client writes one or the other");
    let sent = [(header::CONTENT_TYPE, SOAP)];
    if seen.text("Username") == "alice@contoso.example" && seen.text("Password") == PASSWORD {
        return (sent, changed(token(version, &message_id))).into_response();
    }
    let refusal = (manner.status_of_refusal, sent, changed(fault(&message_id)));
    if manner.retry_after {
        ([(header::RETRY_AFTER, "30")], refusal).into_response()
    } else {
        refusal.into_response()
    }
}
