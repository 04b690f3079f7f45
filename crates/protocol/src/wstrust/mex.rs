//! Writes the description of the two endpoints (WSDL 1.1 with WS-SecurityPolicy 1.1 and 1.2), as clients
//! fetch it by GET or by a WS-Transfer Get (WS-Transfer §3.1).

use roxmltree::Node;

use crate::names::{METADATA_EXCHANGE, WSDL};
use crate::soap::{Envelope, Rejected, envelope, message_id};
use crate::xml::{NotXml, Writer, local};

const GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
const GET_RESPONSE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse";

/// Names, prefixes and order are AD FS's where a client looks for them: MSAL for Go wants `sp` declared on
/// `sp:TransportBinding`, MSAL for Java the very letters `wsu:Id`, MSAL for .NET one service.
const TEMPLATE: &str = include_str!("mex.xml");

/// The addresses that the description names.
#[derive(Debug, Clone, Copy)]
pub struct Mex<'a> {
    /// Takes requests of WS-Trust 2005/02.
    pub trust_2005: &'a str,
    /// Takes requests of WS-Trust 1.3.
    pub trust_13: &'a str,
}

/// Reads a WS-Transfer Get and returns its `wsa:MessageID`.
pub fn read_get(root: Node<'_, '_>) -> Result<Option<String>, Rejected> {
    let relates_to = message_id(root);
    match Envelope::read(root, GET, &[]) {
        Ok(_) => Ok(relates_to),
        Err(why) => Err(Rejected { relates_to, why }),
    }
}

impl Mex<'_> {
    /// The bare `wsdl:definitions`: MSAL for Python finds nothing inside of an envelope.
    pub fn definitions(&self) -> Result<String, NotXml> {
        Ok(TEMPLATE
            .replace("{trust 2005}", &escaped(self.trust_2005)?)
            .replace("{trust 13}", &escaped(self.trust_13)?))
    }

    /// The answer to a WS-Transfer Get (WS-MetadataExchange 2004/09 §4.1).
    pub fn transferred(&self, relates_to: Option<&str>) -> Result<String, NotXml> {
        let definitions = self.definitions()?;
        let none = |_: &mut Writer| Ok(());
        envelope(GET_RESPONSE, relates_to, none, |w| {
            w.element(METADATA_EXCHANGE.name("Metadata"), &[], |w| {
                let dialect = [(local("Dialect"), WSDL)];
                w.element(METADATA_EXCHANGE.name("MetadataSection"), &dialect, |w| {
                    w.finished(&definitions);
                    Ok(())
                })
            })
        })
    }
}

/// An address, fit for text and for an attribute.
fn escaped(address: &str) -> Result<String, NotXml> {
    let mut writer = Writer::new();
    writer.text(address)?;
    Ok(writer.into_string().replace('"', "&quot;"))
}
