//! Where a sign-in begins: the page that asks for an account, and links that name a domain.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use openssl::error::ErrorStack;
use serde::Deserialize;

use super::binding::{Frames, Parcel};
use super::realm::discover;
use super::request::{self, Ask, Begin, Binding, SignOutAnswer, Variant};
use super::saml::Head;
use super::session::Session;
use super::{Asked, StandIn, pages, saml, sign_out, unreadable, wsfed};
use crate::checks::{Outstanding, logout};
use crate::guid;
use crate::tenant::{Federation, Protocol};

pub async fn home(State(stand_in): State<StandIn>, session: Session) -> Response {
    pages::home(&stand_in, session.signed_in(), "", None)
}

/// The sign-in form; a box that is not ticked is not sent.
#[derive(Deserialize)]
pub struct Start {
    user: String,
    #[serde(default)]
    ask: Ask,
    without_username: Option<String>,
    with_reply: Option<String>,
    long_context: Option<String>,
    #[serde(default)]
    binding: Binding,
    /// `AssertionConsumerServiceIndex`; empty for none.
    index: Option<String>,
    is_passive: Option<String>,
    signed: Option<String>,
    answer_by_post: Option<String>,
}

impl Start {
    fn variant(&self) -> Variant {
        Variant {
            binding: self.binding,
            index: self.index.as_ref().and_then(|index| index.parse().ok()),
            is_passive: self.is_passive.is_some(),
            signed: self.signed.is_some(),
            sign_out_answer: match self.answer_by_post {
                Some(_) => SignOutAnswer::Post,
                None => SignOutAnswer::Redirect,
            },
        }
    }
}

pub async fn start(
    State(stand_in): State<StandIn>,
    session: Session,
    form: Result<Form<Start>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(FormRejection::BytesRejection(error)) => return unreadable(&error),
        Err(_) => {
            return pages::problem(
                StatusCode::BAD_REQUEST,
                "Which account?",
                "The request does not name an account.",
            );
        }
    };
    let tenant = stand_in.tenant();
    let found = discover(&tenant, &form.user);
    let refuse = |why: &str| pages::home(&stand_in, session.signed_in(), &found.login, Some(why));
    let Some(domain) = found.domain else {
        return refuse("This username may be incorrect. Make sure you typed it correctly.");
    };
    let Some(federation) = found.federation else {
        return refuse(
            "This domain is not federated. Its people have a password in the cloud, and this stand-in keeps none.",
        );
    };
    let username = form.without_username.is_none().then_some(&*found.login);
    let begin = Begin {
        username,
        ask: form.ask,
        long_context: form.long_context.is_some(),
        with_reply: form.with_reply.is_some(),
        saml: form.variant(),
    };
    stand_in.begin(&domain.name, federation, &begin)
}

#[derive(Deserialize)]
pub struct SmartLink {
    wa: Option<String>,
    whr: Option<String>,
}

/// A link that starts at a domain without asking for an account, or one of the ways to sign out.
pub async fn smart_link(
    State(stand_in): State<StandIn>,
    session: Session,
    Query(link): Query<SmartLink>,
    RawQuery(query): RawQuery,
) -> Response {
    let arrived = logout::in_query(query.as_deref().unwrap_or_default());
    if let Some(response) = sign_out::message(&stand_in, arrived) {
        return response;
    }
    match (link.wa.as_deref(), link.whr.as_deref()) {
        (Some("wsignin1.0"), Some(whr)) => {
            let tenant = stand_in.tenant();
            let domain = tenant.root_of(whr);
            let federation = domain.and_then(|domain| domain.federation.as_ref());
            match (domain, federation) {
                (Some(domain), Some(federation)) => {
                    stand_in.begin(&domain.name, federation, &Begin::default())
                }
                _ => pages::problem(
                    StatusCode::NOT_FOUND,
                    "AADSTS50128",
                    "No tenant has a federated domain of the name that the link gives.",
                ),
            }
        }
        (Some("wsignin1.0") | None, None) => Redirect::to("/").into_response(),
        (Some("wsignoutcleanup1.0"), _) => {
            session.end(&stand_in);
            (stand_in.no_session(), pages::cleaned_up()).into_response()
        }
        _ => pages::problem(
            StatusCode::BAD_REQUEST,
            "AADSTS20012",
            "The WS-Federation message is invalid: wa is unknown.",
        ),
    }
}

impl StandIn {
    /// Sends the browser to a domain with a request.
    fn begin(&self, domain: &str, federation: &Federation, begin: &Begin) -> Response {
        match federation.protocol {
            Protocol::WsFed => {
                Redirect::to(&self.wsfed_request(domain, federation, begin)).into_response()
            }
            Protocol::Saml => {
                self.saml_request(domain, federation, begin)
                    .unwrap_or_else(|error| {
                        let why = format!("The request could not be signed with SHA-1: {error}");
                        pages::problem(StatusCode::INTERNAL_SERVER_ERROR, "Not signed", &why)
                    })
            }
        }
    }

    /// The address of a WS-Federation request, which is remembered.
    pub(super) fn wsfed_request(
        &self,
        domain: &str,
        federation: &Federation,
        begin: &Begin,
    ) -> String {
        let outstanding = self.remember(domain, begin, None);
        let request = wsfed::Request {
            ask: begin.ask,
            client_request_id: &outstanding.client_request_id,
            username: begin.username,
            wctx: &outstanding.context,
            with_reply: begin.with_reply,
        };
        request.url(self.cloud(), federation)
    }

    /// A SAML 2.0 request on its way, which is remembered.
    fn saml_request(
        &self,
        domain: &str,
        federation: &Federation,
        begin: &Begin,
    ) -> Result<Response, ErrorStack> {
        let id = format!("_{}", guid::random());
        let address = &federation.passive_sign_in_uri;
        let head = Head {
            id: &id,
            at: self.now(),
            issuer: &self.cloud().audience,
            destination: address,
        };
        let request = saml::authn_request(&head, begin.ask, begin.saml);
        // In an address the signature stands beside the message, not in it.
        let xml = match (begin.saml.signed, begin.saml.binding) {
            (true, Binding::Post) => saml::signed(request, &id, self.org_id_key())?,
            _ => request,
        };
        let outstanding = self.remember(domain, begin, Some(&id));
        let parcel = Parcel {
            field: "SAMLRequest",
            xml: &xml.sent(),
            relay_state: Some(&outstanding.context),
            username: begin.username,
        };
        match (begin.saml.binding, begin.saml.signed) {
            (Binding::Post, _) => Ok(parcel.post(address, Frames::None)),
            (Binding::Redirect, false) => Ok(parcel.redirect(address)),
            (Binding::Redirect, true) => parcel.signed_redirect(address, self.org_id_key()),
        }
    }

    fn remember(&self, domain: &str, begin: &Begin, request_id: Option<&str>) -> Outstanding {
        let (blob, now) = (crypto::random::token(), self.now());
        let outstanding = Outstanding {
            context: request::context(&blob, begin.long_context),
            request_id: request_id.map(str::to_owned),
            started_at: now,
            domain: domain.to_owned(),
            fresh: begin.ask.fresh(),
            mfa: begin.ask == Ask::MultiFactor,
            client_request_id: guid::random(),
        };
        if let Some(id) = request_id {
            self.0.blobs.put(id.to_owned(), blob.clone(), now);
        }
        let asked = Asked {
            outstanding: outstanding.clone(),
            sign_out_answer: begin.saml.sign_out_answer,
        };
        self.0.outstanding.put(blob, asked, now);
        outstanding
    }
}
