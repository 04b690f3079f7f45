"""Says by its exit code whether signxml accepts the signature of one element, and that it covers that element."""

import sys

from lxml import etree
from signxml import DigestAlgorithm, InvalidInput, SignatureConfiguration, SignatureMethod, XMLVerifier
from signxml.exceptions import SignXMLException

DSIG = "{http://www.w3.org/2000/09/xmldsig#}"


def refuse(reason):
    sys.exit(str(reason))


def main(certificate, element, id_attribute):
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=False)
    document = etree.fromstring(sys.stdin.buffer.read(), parser)
    signed = list(document.iter(element))
    if len(signed) != 1:
        refuse(f"there are {len(signed)} elements {element}")
    path = document.getroottree().getelementpath(signed[0])
    expected = SignatureConfiguration(
        location=f"./{path}/" if path != "." else "./",
        expect_references=1,
        signature_methods=frozenset([SignatureMethod.RSA_SHA256]),
        digest_algorithms=frozenset([DigestAlgorithm.SHA256]),
    )
    with open(certificate, encoding="ascii") as file:
        result = XMLVerifier().verify(
            document, x509_cert=file.read(), id_attribute=id_attribute, expect_config=expected
        )
    # What signxml returns is what the signature covers, read again from the canonical bytes.
    covered = result.signed_xml
    if covered.tag != element or covered.get(id_attribute) != signed[0].get(id_attribute):
        refuse(f"the signature covers {covered.tag}")
    if covered.find(f"{DSIG}Signature") is not None:
        refuse("what the signature covers contains another signature")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (SignXMLException, InvalidInput, etree.XMLSyntaxError, ValueError) as error:
        refuse(f"{type(error).__name__}: {error}")
