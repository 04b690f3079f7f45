//! WS-Trust: a token for a user name and a password in a SOAP message, as a Windows PC and scripts ask for
//! it. No page, no cookie, no session; and nobody gets one where an administrator has not turned it on.

use std::net::IpAddr;

use chrono::TimeDelta;
use crypto::xml_signature::{self, Document, Limits, NotRead};
use ipnet::IpNet;
use protocol::BadRequest;
use protocol::wstrust::{self, Fault, Mex, Rejected, Request, Subcode, Version};
use store::{App, AppKind, Protocol, Session, User, WsFedSettings};
use url::Url;

use crate::authenticate::{Credentials, METHOD_PASSWORD};
use crate::claims;
use crate::error::{Error, Record, Refusal, Result};
use crate::issue::Grant;
use crate::sign_on::{Person, check_enabled};
use crate::wsfed::settings;
use crate::{Idp, Origin};

/// How far the clock of a client may be off.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// A known client sends less than a tenth of each.
const LIMITS: Limits = Limits {
    bytes: LARGEST_ENVELOPE,
    depth: 32,
    attributes: 32,
    nodes: 2000,
};
/// The largest message, in bytes.
pub const LARGEST_ENVELOPE: usize = 64 << 10;

/// A message as it came to one of an app's addresses.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    pub app_id: &'a str,
    pub envelope: &'a [u8],
    /// The host that the client spoke to, as HTTP tells it; empty when it does not.
    pub host: &'a str,
}

/// Why there is no token, and what the fault about it needs to know.
#[derive(Debug)]
pub struct Declined {
    pub error: Error,
    version: Version,
    relates_to: Option<String>,
    /// The status of a fault about the credentials, as the app has it.
    pub credential_status: u16,
}

impl Declined {
    /// A message that was refused before it was read.
    pub fn unread(version: Version, error: Error) -> Self {
        Self {
            error,
            version,
            relates_to: None,
            credential_status: store::Active::default().credential_status,
        }
    }

    /// Whether it is about the user name and the password: the status of that is the app's choice.
    pub fn is_about_credentials(&self) -> bool {
        self.fault() == Fault::sender(Subcode::FailedAuthentication)
    }

    /// The fault, with `reason` for people to read.
    pub fn envelope(&self, reason: &str) -> Result<String> {
        self.fault()
            .envelope(self.version, reason, self.relates_to.as_deref())
            .map_err(Error::broken)
    }

    fn fault(&self) -> Fault {
        let Error::Refused(refusal, _) = &self.error else {
            return Fault::receiver();
        };
        Fault::sender(match refusal {
            Refusal::BadRequest(error) => return error.into(),
            Refusal::WrongCredentials | Refusal::Locked { .. } | Refusal::UserDisabled { .. } => {
                Subcode::FailedAuthentication
            }
            Refusal::Stale { .. } => Subcode::MessageExpired,
            Refusal::ForeignRealm { .. } => Subcode::InvalidScope,
            Refusal::ForeignDestination { .. } => Subcode::DestinationUnreachable,
            _ => Subcode::RequestFailed,
        })
    }
}

impl Idp {
    /// The description of an app's two addresses (WSDL), whether they are turned on or not.
    pub async fn mex(&self, app_id: &str) -> Result<String> {
        let app = self.spoken(app_id).await?;
        self.described(&app, |mex| mex.definitions())
    }

    /// The same for a WS-Transfer Get.
    pub async fn mex_transferred(
        &self,
        message: Arrived<'_>,
        origin: &Origin,
    ) -> Result<String, Declined> {
        let read = document(message.envelope)
            .and_then(|document| wstrust::read_get(document.root_element()));
        let (relates_to, read) = match read {
            Ok(message_id) => (message_id, Ok(())),
            Err(rejected) => (rejected.relates_to, Err(Refusal::from(rejected.why))),
        };
        let answer = async {
            let app = self.spoken(message.app_id).await?;
            read?;
            self.described(&app, |mex| mex.transferred(relates_to.as_deref()))
        };
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let declined = self.declined(message.app_id, Version::V13, error, origin);
                Err(Declined {
                    relates_to,
                    ..declined.await
                })
            }
        }
    }

    fn described<E: std::error::Error + Send + Sync + 'static>(
        &self,
        app: &App,
        write: impl FnOnce(Mex<'_>) -> Result<String, E>,
    ) -> Result<String> {
        write(Mex {
            trust_2005: &self.urls.trust_2005(&app.id),
            trust_13: &self.urls.trust_13(&app.id),
        })
        .map_err(Error::broken)
    }

    /// Answers a request for a token.
    pub async fn trust_sign_on(
        &self,
        message: Arrived<'_>,
        version: Version,
        origin: &Origin,
    ) -> Result<String, Declined> {
        let mut known = Known::default();
        match self
            .try_trust_sign_on(message, version, &mut known, origin)
            .await
        {
            Ok(answer) => Ok(answer),
            Err(error) => Err(Declined {
                relates_to: known.relates_to,
                credential_status: known.active.credential_status,
                ..self.declined(message.app_id, version, error, origin).await
            }),
        }
    }

    async fn try_trust_sign_on(
        &self,
        message: Arrived<'_>,
        version: Version,
        known: &mut Known,
        origin: &Origin,
    ) -> Result<String> {
        let request = document(message.envelope)
            .and_then(|document| wstrust::read(document.root_element(), version));
        let request = match request {
            Ok(request) => {
                known.relates_to.clone_from(&request.message_id);
                Ok(request)
            }
            Err(rejected) => {
                known.relates_to = rejected.relates_to;
                Err(Refusal::from(rejected.why))
            }
        };
        let app = self.spoken(message.app_id).await?;
        let settings = settings(&app)?;
        known.active.clone_from(&settings.active);
        check_open(&app, settings, origin)?;
        let request = request?;
        self.check_request(&app, settings, &request, version, message.host)?;

        let credentials = Credentials {
            username: &request.username,
            password: request.password.clone(),
            app_id: Some(&app.id),
            request: Some(self.master_key.mac("ws-trust-request", message.envelope)),
        };
        let recognised = self.recognise(credentials, origin).await?;
        let now = self.now();
        let mut write = self.store.write().await?;
        recognised.welcome(&mut write, origin, now).await?;
        write.commit().await?;

        // Checking the password took its time; what was switched off or changed meanwhile is.
        let (app, person) = self.stands(&app.id, &recognised.user).await?;
        let settings = crate::wsfed::settings(&app)?;
        check_open(&app, settings, origin)?;
        let issuer = person.entitled(&app)?;
        let sources = claims::sources_of_wsfed(settings);
        let about = self.about(&person, &app, sources).await?;
        let grant = Grant {
            person: &person,
            app: &app,
            issuer,
            about: &about,
        };
        let (token, entry) = self.sign_saml11(&grant, settings, origin)?;
        let relates_to = request.message_id.as_deref();
        let told = token.issued(&settings.realm);
        let answer = wstrust::answer(version, &told, relates_to, now).map_err(Error::broken)?;
        let anchor = grant.anchor_issued(claims::sources_of_wsfed(settings), now);
        self.store
            .record_token(entry.at(self.now()), None, anchor)
            .await?;
        tracing::info!(app.id = %app.id, "Issued a token by WS-Trust");
        Ok(answer)
    }

    /// The app of an address, if it speaks WS-Federation: a domain that speaks SAML has no WS-Trust.
    async fn spoken(&self, app_id: &str) -> Result<App> {
        let app_id = crate::parse::app_id(app_id)?;
        let app = self.store.read().await?.app(&app_id).await?;
        let app = app.ok_or(Refusal::UnknownApp)?;
        check_enabled(&app)?;
        settings(&app)?;
        if app.kind == AppKind::M365 && app.protocol == Protocol::Saml {
            return Err(Refusal::OtherProtocol { label: app.label }.into());
        }
        Ok(app)
    }

    /// Everything about a request that does not depend on the person.
    fn check_request(
        &self,
        app: &App,
        settings: &WsFedSettings,
        request: &Request,
        version: Version,
        host: &str,
    ) -> Result<(), Refusal> {
        let label = || app.label.clone();
        let own = match version {
            Version::Feb2005 => self.urls.trust_2005(&app.id),
            Version::V13 => self.urls.trust_13(&app.id),
        };
        if request
            .to
            .as_ref()
            .is_some_and(|to| !is_here(to, &own, host))
        {
            return Err(Refusal::ForeignDestination { label: label() });
        }
        let now = self.now();
        // What was made within these minutes and holds at all has not run out by more than they are.
        let fresh = (now - request.created).abs() <= SKEW && request.expires > request.created;
        if !fresh {
            return Err(Refusal::Stale { label: label() });
        }
        if request.applies_to != settings.realm {
            return Err(Refusal::ForeignRealm { label: label() });
        }
        Ok(())
    }

    /// Somebody who has just given their password, and what the app means to them now.
    async fn stands(&self, app_id: &str, recognised: &User) -> Result<(App, Person)> {
        let app = self.spoken(app_id).await?;
        let now = self.now();
        let mut read = self.store.read().await?;
        let user = read.user(recognised.id).await?;
        let user = user
            .filter(|user| user.password_hash == recognised.password_hash)
            .ok_or(Refusal::WrongCredentials)?;
        if !user.enabled {
            return Err(Refusal::UserDisabled { upn: user.upn }.into());
        }
        let person = Person {
            granted: read.is_granted(&app.id, user.id).await?,
            issuers: read.issuers_of(&app.id).await?,
            signing_key: read.current_signing_key(&app.id).await?,
            known: Vec::new(),
            pairwise_id: read.pairwise_id(&app.id, user.id).await?,
            // For this one token, stored nowhere: there is no browser that could sign out of it.
            session: Session {
                id_hash: crypto::random::bytes::<32>().to_vec(),
                user_id: user.id,
                method: METHOD_PASSWORD.to_owned(),
                authenticated_at: now,
                created_at: now,
                last_seen_at: now,
                expires_at: now,
                source: String::new(),
            },
            user,
        };
        Ok((app, person))
    }

    /// Puts a refusal on record, unless it is.
    async fn declined(
        &self,
        app_id: &str,
        version: Version,
        error: Error,
        origin: &Origin,
    ) -> Declined {
        let error = match error {
            Error::Refused(refusal, Record::Missing) => {
                let written = self.refuse_token::<()>(app_id, refusal, origin).await;
                written.expect_err("it returns the refusal, or why it could not be written")
            }
            other => other,
        };
        Declined::unread(version, error)
    }
}

/// What a fault needs, as far as it was found out before something was wrong.
#[derive(Default)]
struct Known {
    relates_to: Option<String>,
    active: store::Active,
}

/// The message, read by the one reader of XML from outside.
fn document(envelope: &[u8]) -> Result<Document<'_>, Rejected> {
    xml_signature::read(envelope, &LIMITS).map_err(|why| Rejected {
        relates_to: None,
        why: match why {
            NotRead::TooLarge => BadRequest::EnvelopeTooLarge {
                limit: LARGEST_ENVELOPE,
            },
            why => BadRequest::not_xml(why),
        },
    })
}

/// Whether a password alone opens the app for whoever comes from there.
fn check_open(app: &App, settings: &WsFedSettings, origin: &Origin) -> Result<(), Refusal> {
    let label = || app.label.clone();
    let active = &settings.active;
    if !active.on {
        return Err(Refusal::ActiveOff { label: label() });
    }
    let source: Option<IpAddr> = origin.source.parse().ok();
    let within = |network: &String| {
        let network: Option<IpNet> = network.parse().ok();
        network.is_some_and(|network| source.is_some_and(|source| network.contains(&source)))
    };
    if !active.networks.is_empty() && !active.networks.iter().any(within) {
        return Err(Refusal::ForeignNetwork { label: label() });
    }
    Ok(())
}

/// Whether `wsa:To` is this address. A proxy may have changed the scheme, and the host that we are told.
fn is_here(to: &str, own: &str, host: &str) -> bool {
    let (Ok(to), Ok(own)) = (Url::parse(to), Url::parse(own)) else {
        return false;
    };
    let authority = |url: &Url| {
        let host = url.host_str().unwrap_or_default().to_owned();
        (host, url.port_or_known_default())
    };
    let told = Url::parse(&format!("{}://{host}/", to.scheme())).ok();
    matches!(to.scheme(), "http" | "https")
        && to.path() == own.path()
        && (authority(&to) == authority(&own)
            || told.is_some_and(|told| authority(&told) == authority(&to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ours_by_its_path_and_by_the_host_that_we_or_the_client_know() {
        let own = "https://id.contoso.com/wsfed/1/trust/13/usernamemixed";
        let check = |to: &str, host: &str, expected| {
            assert_eq!(is_here(to, own, host), expected, "{to} {host:?}");
        };
        check(own, "", true);
        check(&format!("{own}?x=y"), "", true);
        let spelled = "https://ID.contoso.com:443/wsfed/1/trust/13/usernamemixed";
        check(spelled, "", true);
        let inside = "http://10.0.0.7:8443/wsfed/1/trust/13/usernamemixed";
        check(inside, "", false);
        check(inside, "10.0.0.7:8443", true);
        check(inside, "10.0.0.7", false);
        let elsewhere = "https://evil.example/wsfed/1/trust/13/usernamemixed";
        check(elsewhere, "id.contoso.com", false);
        let other_version = "https://id.contoso.com/wsfed/1/trust/2005/usernamemixed";
        check(other_version, "", false);
        let other_app = "https://id.contoso.com/wsfed/2/trust/13/usernamemixed";
        check(other_app, "", false);
        check("urn:federation:MicrosoftOnline", "x", false);
        check("", "", false);
    }
}
