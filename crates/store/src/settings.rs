//! Single values that belong to the whole installation.

use crate::error::Result;
use crate::transaction::{Read, Write};

impl Read {
    /// The value under this name.
    pub async fn setting(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> =
            fetch_optional!(self, "SELECT value FROM settings WHERE name = $1", name)?;
        Ok(row.map(|(value,)| value))
    }
}

impl Write {
    /// Sets a value that is never changed; false when there is one already.
    pub async fn set_setting_once(&mut self, name: &str, value: &[u8]) -> Result<bool> {
        let set = execute!(
            self,
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            name,
            value
        )?;
        Ok(set == 1)
    }
}
