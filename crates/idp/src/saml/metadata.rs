//! Our metadata: what a service provider reads about us, of one app.

use chrono::TimeDelta;
use crypto::xml_signature::Algorithm;
use protocol::{names, saml2};
use store::AppKind;

use super::settings;
use crate::Idp;
use crate::error::{Error, Result};
use crate::issue::{algorithm, sign};
use crate::sign_on::{check_enabled, issuer_named};
use crate::signing_keys::{announced, current};

/// What every generic app may ask for besides its own format.
const ALWAYS: [&str; 2] = [names::name_id::PERSISTENT, names::name_id::TRANSIENT];

/// How long metadata holds at the least: until its readers have looked again.
const AGAIN: TimeDelta = TimeDelta::days(1);

impl Idp {
    /// The metadata of one app (SAML metadata §2.4.3), signed when that is asked for, in the name of one of
    /// its domains: the first, unless one is named. It holds as long as the certificate of the key that signs.
    pub async fn saml_metadata(
        &self,
        reference: &str,
        domain: Option<&str>,
        signed: bool,
    ) -> Result<String> {
        let app_id = self.addressed(reference).await?;
        let app = self.look(&app_id, None).await?.app;
        check_enabled(&app)?;
        let settings = settings(&app)?;
        // One look: between two of them a promotion could leave out the key that signed until now.
        let mut read = self.store.read().await?;
        let keys = read.signing_keys(&app.id).await?;
        let issuers = read.issuers_of(&app.id).await?;
        drop(read);
        let issuer = issuer_named(&issuers, domain)?;
        let current = self.open_key(current(&keys)?)?;
        let certificates = announced(&keys)?;
        let mut formats = vec![settings.name_id.format.as_str()];
        if app.kind == AppKind::Saml {
            formats.extend(
                ALWAYS
                    .iter()
                    .filter(|format| **format != settings.name_id.format),
            );
        }
        let attributes: Vec<(&str, Option<&str>)> = settings
            .attributes
            .iter()
            .map(|rule| (rule.name.as_str(), rule.name_format.as_deref()))
            .collect();
        let unsigned = saml2::metadata::IdentityProvider {
            id: &crypto::random::xml_id(),
            entity_id: &issuer.issuer,
            // An expired certificate still signs, so its metadata has to be read for a while.
            valid_until: current.certificate().not_after().max(self.now() + AGAIN),
            certificates: &certificates.iter().map(String::as_str).collect::<Vec<_>>(),
            sso_url: &self.urls.saml(&app.id),
            slo_url: &self.urls.saml_sign_out(&app.id),
            name_id_formats: &formats,
            want_authn_requests_signed: settings.signed_requests,
            signing_methods: &Algorithm::ALL.map(Algorithm::uri),
            digest_methods: &Algorithm::ALL.map(Algorithm::digest_uri),
            attributes: &attributes,
        }
        .unsigned()
        .map_err(Error::broken)?;
        if signed {
            sign(&unsigned, &current, algorithm(settings)?)
        } else {
            Ok(unsigned.xml)
        }
    }
}
