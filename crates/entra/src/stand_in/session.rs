//! Who is signed in to the stand-in, by a cookie.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::AppendHeaders;

use super::StandIn;
use super::request::SignOutAnswer;
use crate::checks::SignedIn;

const COOKIE_NAME: &str = "stand-in-session";

/// A header that sets or removes the session's cookie.
pub type SetCookie = AppendHeaders<[(HeaderName, String); 1]>;

/// A session: the person, and how their domain is answered when it ends the session.
#[derive(Clone)]
pub struct Visit {
    pub signed_in: SignedIn,
    pub sign_out_answer: SignOutAnswer,
}

/// What the request's cookie leads to.
pub struct Session {
    id: Option<String>,
    visit: Option<Visit>,
}

impl FromRequestParts<StandIn> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, stand_in: &StandIn) -> Result<Self, Infallible> {
        let id = parts
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE_NAME).then(|| value.to_owned()));
        let visit = id
            .as_ref()
            .and_then(|id| stand_in.0.sessions.look(id, stand_in.now()));
        Ok(Self { id, visit })
    }
}

impl Session {
    pub fn signed_in(&self) -> Option<&SignedIn> {
        self.visit.as_ref().map(|visit| &visit.signed_in)
    }

    pub fn end(&self, stand_in: &StandIn) {
        if let Some(id) = &self.id {
            stand_in.0.sessions.take(id, stand_in.now());
        }
    }
}

impl StandIn {
    /// Opens a session under a new name, never under one that the browser brought.
    pub(super) fn open_session(&self, visit: Visit) -> SetCookie {
        let id = crypto::random::token();
        let cookie = self.cookie(&id, "");
        self.0.sessions.put(id, visit, self.now());
        cookie
    }

    pub(super) fn no_session(&self) -> SetCookie {
        self.cookie("", "; Max-Age=0")
    }

    fn cookie(&self, value: &str, lifetime: &str) -> SetCookie {
        let is_secure = self.base_url().starts_with("https://");
        let secure = if is_secure { "; Secure" } else { "" };
        AppendHeaders([(
            SET_COOKIE,
            format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{lifetime}"),
        )])
    }
}
