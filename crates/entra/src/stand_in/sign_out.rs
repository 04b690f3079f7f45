//! Signing out, begun here or by a domain.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use tracing::{info, warn};

use super::binding::{Frames, Parcel};
use super::request::{SignOutAnswer, with_query};
use super::saml::{self, Head};
use super::session::Session;
use super::{StandIn, pages};
use crate::checks::logout::{self, Arrived, Carried, LogoutRequest};
use crate::checks::{Aadsts, Failure};
use crate::guid;
use crate::tenant::{Federation, Protocol};

/// Ends the session here, then at the identity provider.
pub async fn begin(State(stand_in): State<StandIn>, session: Session) -> Response {
    session.end(&stand_in);
    let cookie = stand_in.no_session();
    let Some(person) = session.signed_in() else {
        return (cookie, pages::signed_out(HERE)).into_response();
    };
    let tenant = stand_in.tenant();
    let domain = tenant.domain(&person.domain);
    let Some(federation) = domain.and_then(|domain| domain.federation.as_ref()) else {
        return (cookie, pages::signed_out(HERE)).into_response();
    };
    let response = match federation.protocol {
        Protocol::WsFed => {
            let url = with_query(&federation.sign_out_uri, "wa=wsignout1.0");
            Redirect::to(&url).into_response()
        }
        Protocol::Saml => {
            let id = format!("_{}", guid::random());
            let head = stand_in.head(&id, federation);
            let index = person.session_index.as_deref();
            let request = saml::logout_request(&head, &person.immutable_id, index);
            let now = stand_in.now();
            let leaving = &stand_in.0.leaving;
            leaving.put(id.clone(), person.domain.clone(), now);
            let parcel = Parcel {
                field: "SAMLRequest",
                xml: &request.sent(),
                relay_state: None,
                username: None,
            };
            parcel.redirect(&federation.sign_out_uri)
        }
    };
    (cookie, response).into_response()
}

const HERE: &str = "The session at this stand-in has ended.";

/// Takes a sign-out message; `None` when there is none.
pub fn message(stand_in: &StandIn, arrived: Result<Option<Arrived>, Failure>) -> Option<Response> {
    let answer = match arrived.transpose()? {
        Ok(Arrived::Request(carried)) => asked(stand_in, &carried),
        Ok(Arrived::Response(carried)) => answered(stand_in, &carried),
        Err(failure) => Err(failure),
    };
    Some(answer.unwrap_or_else(|failure| {
        warn!(code = failure.code.0, "Refused a sign-out message");
        pages::problem(
            StatusCode::BAD_REQUEST,
            &failure.code.to_string(),
            &format!("The sign-out message was refused: {}.", failure.why),
        )
    }))
}

/// A domain wants that the sessions of a person end.
fn asked(stand_in: &StandIn, carried: &Carried) -> Result<Response, Failure> {
    let tenant = stand_in.tenant();
    let request = logout::request(&tenant, carried, stand_in.now())?;
    let ended = stand_in.end_sessions_of(&request);
    info!(sessions = ended.len(), "A domain signed somebody out");

    let id = format!("_{}", guid::random());
    let federation = request.realm.federation;
    let head = stand_in.head(&id, federation);
    let response = saml::logout_response(&head, &request.id);
    let parcel = Parcel {
        field: "SAMLResponse",
        xml: &response.sent(),
        relay_state: carried.relay_state.as_deref(),
        username: None,
    };
    if ended.contains(&SignOutAnswer::Post) {
        Ok(parcel.post(&federation.sign_out_uri, Frames::Any))
    } else {
        Ok(parcel.redirect(&federation.sign_out_uri))
    }
}

/// A domain says what became of our wish.
fn answered(stand_in: &StandIn, carried: &Carried) -> Result<Response, Failure> {
    let now = stand_in.now();
    let tenant = stand_in.tenant();
    let response = logout::response(&tenant, carried, now)?;
    let asked = stand_in.0.leaving.take(&response.request_id, now);
    let domain = &response.domain;
    if asked.as_ref() != Some(domain) {
        return Err(Failure {
            code: Aadsts(50068),
            why: "the answer belongs to no sign-out that is waiting".to_owned(),
        });
    }
    let there = match &response.status {
        _ if response.is_partial() => {
            format!("{domain} ended its session, but not every application there did.")
        }
        status if status.succeeded() => format!("{domain} ended its session, too."),
        status => format!("{domain} did not end its session; it answers with {status}."),
    };
    Ok(pages::signed_out(&format!("{HERE} {there}")))
}

impl StandIn {
    fn head<'a>(&'a self, id: &'a str, federation: &'a Federation) -> Head<'a> {
        Head {
            id,
            at: self.now(),
            issuer: &self.cloud().audience,
            destination: &federation.sign_out_uri,
        }
    }

    /// Ends the sessions that are meant; gives back how each wants the domain to be answered.
    fn end_sessions_of(&self, request: &LogoutRequest) -> Vec<SignOutAnswer> {
        let ended = self.0.sessions.take_where(|visit| {
            let person = &visit.signed_in;
            let index = person.session_index.as_ref();
            person.domain == request.realm.domain.name
                && person.immutable_id == request.immutable_id
                && (request.session_indexes.is_empty()
                    || index.is_some_and(|index| request.session_indexes.contains(index)))
        });
        ended
            .into_iter()
            .map(|visit| visit.sign_out_answer)
            .collect()
    }
}
