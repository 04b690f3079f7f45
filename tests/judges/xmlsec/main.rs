//! `xmlsec-judge CERTIFICATE ELEMENT SIGNATURE ID-ATTRIBUTE < MESSAGE`: does the xmlsec crate accept this signature?
//!
//! The certificate is a PEM file; the element and its signature are given as paths that must each find one node.

use std::io::{Read, stdin};
use std::process::ExitCode;
use std::{env, fs};

use libxml::parser::{Parser, ParserOptions};
use xmlsec::{
    XmlDocument, XmlNode, XmlSecDocumentExt, XmlSecKey, XmlSecKeyFormat, XmlSecSignatureContext,
    XmlXPathContext,
};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [certificate, element, signature, id_attribute] = &arguments[..] else {
        eprintln!("usage: xmlsec-judge CERTIFICATE ELEMENT SIGNATURE ID-ATTRIBUTE < MESSAGE");
        return ExitCode::from(2);
    };
    match judge(certificate, element, signature, id_attribute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Verifies with the trusted certificate, whatever the message says of keys.
fn judge(
    certificate: &str,
    element: &str,
    signature: &str,
    id_attribute: &str,
) -> Result<(), String> {
    let mut message = Vec::new();
    stdin()
        .read_to_end(&mut message)
        .map_err(|error| error.to_string())?;
    let options = ParserOptions {
        recover: false,
        no_net: true,
        ..ParserOptions::default()
    };
    let document = Parser::default()
        .parse_string_with_options(message, options)
        .map_err(|error| format!("{error:?}"))?;
    only(&document, element)?;
    let signature = only(&document, signature)?;
    document
        .specify_idattr(element, id_attribute, None)
        .map_err(|error| error.to_string())?;

    let pem = fs::read(certificate).map_err(|error| format!("{certificate}: {error}"))?;
    let key = XmlSecKey::from_memory(&pem, XmlSecKeyFormat::CertPem, None);
    let mut context = XmlSecSignatureContext::new();
    context.insert_key(key.map_err(|error| error.to_string())?);
    match context.verify_node(&signature) {
        Ok(true) => Ok(()),
        Ok(false) => Err("the signature is wrong".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn only(document: &XmlDocument, xpath: &str) -> Result<XmlNode, String> {
    let context = XmlXPathContext::new(document).map_err(|()| "no XPath context")?;
    let found = context
        .evaluate(xpath)
        .map_err(|()| format!("{xpath} cannot be evaluated"))?;
    let mut nodes = found.get_nodes_as_vec();
    match (nodes.pop(), nodes.len()) {
        (Some(node), 0) => Ok(node),
        (Some(_), more) => Err(format!("there are {} of {xpath}", more + 1)),
        (None, _) => Err(format!("there is no {xpath}")),
    }
}
