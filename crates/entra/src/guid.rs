//! Identifiers of the kind that Microsoft gives everything.

/// One that belongs to a name.
pub fn of(name: &str) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(&crypto::digest(name.as_bytes())[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid().to_string()
}

/// One that nothing else has.
pub fn random() -> String {
    uuid::Builder::from_random_bytes(crypto::random::bytes())
        .into_uuid()
        .to_string()
}
