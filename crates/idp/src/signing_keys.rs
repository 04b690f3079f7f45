//! An app's key pairs: made, sealed for the database, opened once into memory.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use crypto::certificate::{Certificate, SigningKey};
use crypto::sealed::MasterKey;
use store::Stage;
use uuid::Uuid;

use crate::Idp;
use crate::error::{Error, Result};

/// How long a new certificate is valid: three years.
const DAYS: u32 = 1095;

/// Private keys that were opened, by the id of their row; a key never changes under its id.
#[derive(Clone, Default)]
pub(crate) struct OpenKeys(Arc<RwLock<HashMap<Uuid, Arc<SigningKey>>>>);

/// Makes an app's first key pair, ready to be stored. Takes about 0.1 s of CPU.
pub(crate) async fn first_key(
    master_key: Arc<MasterKey>,
    app_id: String,
    common_name: String,
    now: DateTime<Utc>,
) -> Result<store::SigningKey> {
    tokio::task::spawn_blocking(move || {
        // An hour back, for relying parties whose clock is slow.
        let key = SigningKey::generate(&common_name, now - TimeDelta::hours(1), DAYS)
            .map_err(Error::broken)?;
        let id = crate::new_id();
        Ok(store::SigningKey {
            id,
            app_id,
            stage: Stage::Current,
            certificate: key.certificate().der().to_vec(),
            sealed_private_key: master_key.seal(&purpose(id), &key.private_key_der()),
            created_at: now,
        })
    })
    .await
    .map_err(Error::broken)?
}

impl Idp {
    /// The key pair of a stored row, parsed once and shared from then on.
    pub(crate) fn open_key(&self, stored: &store::SigningKey) -> Result<Arc<SigningKey>> {
        let lock = "no holder of this lock can panic";
        if let Some(key) = self.open_keys.0.read().expect(lock).get(&stored.id) {
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
            .insert(stored.id, key.clone());
        Ok(key)
    }
}

/// The certificates that metadata announces, in base64: that of the key that signs, then the next one.
pub(crate) fn announced(current: &SigningKey, keys: &[store::SigningKey]) -> Result<Vec<String>> {
    let mut certificates = vec![current.certificate().base64().to_owned()];
    for next in keys.iter().filter(|key| key.stage == Stage::Next) {
        let certificate = Certificate::from_der(&next.certificate).map_err(Error::broken)?;
        certificates.push(certificate.base64().to_owned());
    }
    Ok(certificates)
}

/// A sealed private key opens only as the row that it was sealed for.
fn purpose(id: Uuid) -> String {
    format!("signing-key:{id}")
}
