//! Check 55: what realm discovery has to say before there is anything to ask.

use super::tally::ensure;
use super::{Client, REALM, Step, Tally};
use crate::tenant::{Federation, Protocol};

/// Gives back where the metadata is.
pub fn realm(client: Client, federation: Option<&Federation>) -> Step<&str> {
    let mut tally = Tally::new(REALM, client);
    let address = read(federation, &mut tally);
    tally.step(address)
}

fn read<'a>(federation: Option<&'a Federation>, tally: &mut Tally) -> Option<&'a str> {
    let federated = federation.ok_or_else(|| {
        "no federated domain answers for the account, and this stand-in keeps no passwords"
            .to_owned()
    });
    let federation = tally.note("55.1", federated)?;
    let protocol = federation.protocol;
    tally.note(
        "55.2",
        ensure(protocol == Protocol::WsFed, || {
            format!("the domain is federated with {}", protocol.name())
        }),
    )?;
    let address = federation.metadata_exchange_uri.as_deref();
    let said = address.ok_or_else(|| "its federation has no metadataExchangeUri".to_owned());
    tally.note("55.3", said)
}
