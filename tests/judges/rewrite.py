"""Writes a document anew, as a DOM may: the declarations of all namespaces at the root, the attributes sorted."""

import sys

from lxml import etree

document = etree.fromstring(sys.stdin.buffer.read(), etree.XMLParser(resolve_entities=False, no_network=True))
prefixes = {}
for element in document.iter("*"):
    attributes = sorted(element.items(), reverse=True)
    element.attrib.clear()
    element.attrib.update(attributes)
    prefixes.update(element.nsmap)
etree.cleanup_namespaces(document, top_nsmap=prefixes, keep_ns_prefixes=prefixes)
sys.stdout.buffer.write(etree.tostring(document))
