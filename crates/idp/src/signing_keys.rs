//! An app's key pairs: made, sealed for the database, opened once into memory.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::{Certificate, SigningKey};
use crypto::sealed::MasterKey;
use store::{Issuer, Stage};
use uuid::Uuid;

use crate::Idp;
use crate::error::{Error, Result};
use crate::sign_on::no_key;

/// Private keys that were opened: of each app the one that was asked for last, so that a replaced key leaves
/// memory with the next token. A key never changes under its id.
#[derive(Clone, Default)]
pub(crate) struct OpenKeys(Arc<RwLock<HashMap<String, OpenKey>>>);

type OpenKey = (Uuid, Arc<SigningKey>);

/// A key pair that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The length of the RSA modulus: 2048, 3072 or 4096.
    pub bits: u32,
    /// How long its certificate is valid.
    pub days: u32,
}

impl Default for NewKey {
    /// What every app starts with: RSA-2048, three years.
    fn default() -> Self {
        Self {
            bits: 2048,
            days: 1095,
        }
    }
}

impl NewKey {
    /// The same, if it is a key that anybody takes.
    fn check(self) -> Result<Self> {
        if ![2048, 3072, 4096].contains(&self.bits) {
            return Err(Error::Invalid(
                "the key size is one of 2048, 3072, 4096".to_owned(),
            ));
        }
        if !(1..=3650).contains(&self.days) {
            return Err(Error::Invalid(
                "a certificate is valid for 1 to 3650 days".to_owned(),
            ));
        }
        Ok(self)
    }
}

/// The name in an app's own certificates.
pub(crate) fn common_name(app_id: &str, issuer: Option<&Issuer>) -> String {
    let domain = issuer.and_then(|issuer| issuer.domain.as_deref());
    format!("Countersign signing {}", domain.unwrap_or(app_id))
}

/// A key pair as it is stored.
pub(crate) fn sealed(
    master_key: &MasterKey,
    app_id: &str,
    stage: Stage,
    key: &SigningKey,
    now: DateTime<Utc>,
) -> store::SigningKey {
    let id = crate::new_id();
    store::SigningKey {
        id,
        app_id: app_id.to_owned(),
        stage,
        certificate: key.certificate().der().to_vec(),
        sealed_private_key: master_key.seal(&purpose(id), &key.private_key_der()),
        created_at: now,
        known_at: None,
        known_by: None,
        replaced_at: None,
        withdrawn_at: None,
    }
}

impl Idp {
    /// Makes a key pair, ready to be stored. Takes 0.1 s of CPU, or a second and more for the longest.
    pub(crate) async fn make_key(
        &self,
        app_id: &str,
        stage: Stage,
        common_name: String,
        new: NewKey,
    ) -> Result<store::SigningKey> {
        let (master_key, app_id) = (self.master_key.clone(), app_id.to_owned());
        let (new, now) = (new.check()?, self.now());
        tokio::task::spawn_blocking(move || {
            // An hour back, for relying parties whose clock is slow.
            let begin = now - TimeDelta::hours(1);
            let key = SigningKey::generate_of_size(new.bits, &common_name, begin, new.days)
                .map_err(Error::broken)?;
            Ok(sealed(&master_key, &app_id, stage, &key, now))
        })
        .await
        .map_err(Error::broken)?
    }

    /// The key pair of a stored row, parsed once and shared from then on.
    pub(crate) fn open_key(&self, stored: &store::SigningKey) -> Result<Arc<SigningKey>> {
        let lock = "no holder of this lock can panic";
        if let Some((id, key)) = self.open_keys.0.read().expect(lock).get(&stored.app_id)
            && *id == stored.id
        {
            return Ok(key.clone());
        }
        let private = self
            .master_key
            .open(&purpose(stored.id), &stored.sealed_private_key)
            .map_err(Error::broken)?;
        let key =
            Arc::new(SigningKey::from_parts(&stored.certificate, &private).map_err(Error::broken)?);
        self.open_keys
            .0
            .write()
            .expect(lock)
            .insert(stored.app_id.clone(), (stored.id, key.clone()));
        Ok(key)
    }
}

/// The certificates that metadata announces, in base64. That of the key that signs comes first, for readers
/// who take only one; then the next one, then the one that signed before and is not withdrawn yet.
pub(crate) fn announced(keys: &[store::SigningKey]) -> Result<Vec<String>> {
    let mut certificates = Vec::new();
    for stage in [Stage::Current, Stage::Next, Stage::Retired] {
        for key in keys {
            if key.stage == stage && key.withdrawn_at.is_none() {
                let certificate = Certificate::from_der(&key.certificate).map_err(Error::broken)?;
                certificates.push(certificate.base64().to_owned());
            }
        }
    }
    Ok(certificates)
}

/// The key that signs.
pub(crate) fn current(keys: &[store::SigningKey]) -> Result<&store::SigningKey> {
    keys.iter()
        .find(|key| key.stage == Stage::Current)
        .ok_or_else(no_key)
}

/// A sealed private key opens only as the row that it was sealed for.
fn purpose(id: Uuid) -> String {
    format!("signing-key:{id}")
}
