//! Checks 16, 17 and 37 to 39: which domain answers, about whom, and whether it may.

use super::Outstanding;
use super::outcome::{Checked, Ledger, ensure, failure};
use crate::tenant::{Protocol, Realm, Tenant, User};

/// Checks 37 to 39, noted.
pub fn noted<'t>(
    tenant: &'t Tenant,
    immutable_id: &str,
    realm: Realm,
    ledger: &mut Ledger,
) -> Option<&'t User> {
    let user = ledger.note(37, known(tenant, immutable_id))?;
    ledger.note(38, enabled(user))?;
    ledger.note(39, same_root(tenant, user, realm))?;
    Some(user)
}

/// Check 16: scheme, case and a trailing slash all count.
pub fn realm<'t>(tenant: &'t Tenant, issuer: &str, protocol: Protocol) -> Checked<Realm<'t>> {
    let realm = tenant.realm(issuer).ok_or_else(|| {
        failure(50107, format!("the federation realm object {issuer:?} does not exist: no domain has this issuerUri"))
    })?;
    ensure(realm.federation.protocol == protocol, 50107, || {
        format!(
            "{issuer:?} belongs to {}, which is not federated with {}",
            realm.domain.name,
            protocol.name()
        )
    })?;
    Ok(realm)
}

/// Check 17.
pub fn foreign_realm(tenant: &Tenant, realm: Realm, asked: &Outstanding) -> Option<String> {
    let root = tenant
        .root_of(&asked.domain)
        .map(|domain| domain.name.as_str());
    (root != Some(&realm.domain.name))
        .then(|| format!("{} was asked, {} answered", asked.domain, realm.domain.name))
}

/// Check 37.
fn known<'t>(tenant: &'t Tenant, immutable_id: &str) -> Checked<&'t User> {
    tenant.user(immutable_id).ok_or_else(|| {
        failure(
            51004,
            format!(
                "no account in the directory has the ImmutableID {immutable_id:?}; its case counts"
            ),
        )
    })
}

/// Check 38.
fn enabled(user: &User) -> Checked<()> {
    ensure(user.enabled, 50057, || {
        format!("the account {} is disabled", user.upn)
    })
}

/// Check 39: the policy for federated tokens in its default, "all".
fn same_root(tenant: &Tenant, user: &User, realm: Realm) -> Checked<()> {
    let root = tenant
        .root_of_upn(&user.upn)
        .map(|domain| domain.name.as_str());
    ensure(root == Some(&realm.domain.name), 5_000_820, || {
        format!(
            "{} issued a token for {}, who belongs to {}",
            realm.domain.name,
            user.upn,
            root.unwrap_or("no domain")
        )
    })
}
