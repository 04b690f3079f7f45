//! The master key and the database must belong together: a proof sealed at the first start says so.

pub use crypto::sealed::MasterKey;
use store::Store;

use crate::error::Result;

const PROOF: &str = "master-key-proof";
const PROOF_TEXT: &[u8] = b"This database is sealed under this master key.";

/// Whether the database was ever sealed under a master key; a new key may be made only for one that was not.
pub async fn is_sealed(store: &Store) -> Result<bool> {
    Ok(store.read().await?.setting(PROOF).await?.is_some())
}

/// Seals a new database under `key`, or says whether an existing one is sealed under it.
/// Several servers that start at once agree on the first one's.
pub async fn agree(store: &Store, key: &MasterKey) -> Result<bool> {
    if !is_sealed(store).await? {
        let mut write = store.write().await?;
        write
            .set_setting_once(PROOF, &key.seal(PROOF, PROOF_TEXT))
            .await?;
        write.commit().await?;
    }
    let proof = store
        .read()
        .await?
        .setting(PROOF)
        .await?
        .unwrap_or_default();
    Ok(key.open(PROOF, &proof).is_ok())
}
