"""Plays a service provider with pysaml2: answers each line of standard input, an order in JSON, by a line of JSON."""

import json
import re
import sys
import html
import traceback

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NameID
from saml2.samlp import NameIDPolicy
from saml2.sigver import verify_redirect_signature
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST}


def provider(order):
    url = order["url"]
    config = SPConfig()
    config.load(
        {
            "entityid": order["entity_id"],
            "key_file": order["key"],
            "cert_file": order["certificate"],
            "encryption_keypairs": (
                [{"key_file": order["key"], "cert_file": order["certificate"]}] if order["encrypted"] else []
            ),
            "metadata": {"inline": [order["idp_metadata"]]} if order.get("idp_metadata") else {},
            "allow_unknown_attributes": True,
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(f"{url}acs", BINDING_HTTP_POST)],
                        "single_logout_service": [
                            (f"{url}slo", BINDING_HTTP_REDIRECT),
                            (f"{url}slo", BINDING_HTTP_POST),
                        ],
                    },
                    "authn_requests_signed": order["sign_requests"],
                    "logout_requests_signed": True,
                    "want_assertions_signed": order["want_assertions_signed"],
                    "want_response_signed": order["want_response_signed"],
                    "name_id_format": order.get("name_id_format"),
                    "allow_unsolicited": order["unsolicited"],
                    "signing_algorithm": SIG_RSA_SHA256,
                    "digest_algorithm": DIGEST_SHA256,
                }
            },
        }
    )
    # It wants a logout request signed if this says so, and is content with an unsigned one otherwise.
    config.setattr("idp", "want_authn_requests_signed", True)
    return Saml2Client(config), config


def sent(info):
    """Where the message goes, and with which fields when it is a form."""
    if info.get("method") == "GET" or info.get("status") == 303:
        return {"location": dict(info["headers"])["Location"], "fields": {}}
    page = info["data"] if isinstance(info["data"], str) else "".join(info["data"])
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    action = re.search(r'<form action="([^"]*)"', page).group(1)
    return {"location": html.unescape(action), "fields": {name: html.unescape(value) for name, value in fields}}


def name_id_of(order):
    return NameID(format=order["name_id_format"], text=order["name_id"])


def idp(client):
    return next(iter(client.metadata.identity_providers()))


def signed_query(client, query):
    """Whether one of the identity provider's keys has signed a query (SAML bindings 3.4.4.1)."""
    certificates = client.metadata.certs(idp(client), "idpsso", "signing")
    backend = client.sec.sec_backend
    return "Signature" in query and any(
        verify_redirect_signature(query, backend, certificate) for _, certificate in certificates
    )


def carry(out_of, binding, message, destination, order, response):
    return sent(
        out_of.apply_binding(
            BINDINGS[binding],
            str(message),
            destination,
            relay_state=order.get("relay_state", ""),
            response=response,
            sign=True,
            sigalg=SIG_RSA_SHA256,
        )
    )


def main(order):
    client, config = provider(order)
    action = order["action"]
    if action == "metadata":
        return {"metadata": str(entity_descriptor(config))}
    if action == "request":
        options = dict(order.get("options", {}))
        if "name_id_policy" in options:
            options["nameid_format"] = options.pop("name_id_policy")
        request_id, info = client.prepare_for_authenticate(
            binding=BINDINGS[order["binding"]],
            relay_state=order.get("relay_state", ""),
            sign=order["sign_requests"],
            sigalg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            **options,
        )
        return {"id": request_id, **sent(info)}
    if action == "response":
        outstanding = {order["id"]: "/"} if order.get("id") else {}
        response = client.parse_authn_request_response(order["response"], BINDING_HTTP_POST, outstanding=outstanding)
        name_id = response.get_subject()
        authn = response.authn_info()
        return {
            "name_id": name_id.text,
            "format": name_id.format,
            "attributes": response.ava,
            "context": authn[0][0],
            "session_index": response.assertion.authn_statement[0].session_index,
            "in_response_to": response.in_response_to,
            "issuer": response.issuer(),
        }
    if action == "logout":
        binding = order["binding"]
        destination = client.metadata.single_logout_service(idp(client), BINDINGS[binding], "idpsso")[0]["location"]
        request_id, request = client.create_logout_request(
            destination,
            idp(client),
            name_id=name_id_of(order),
            session_indexes=order.get("session_indexes"),
            sign=binding == "post",
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
        )
        return {"id": request_id, **carry(client, binding, request, destination, order, False)}
    if action == "logout-answered":
        # It asks for no signature of its own accord, and never looks at one in a query.
        if order["binding"] == "redirect":
            if order["query"]["SAMLResponse"] != order["response"] or not signed_query(client, order["query"]):
                raise ValueError("the query is not signed")
        response = client.parse_logout_request_response(order["response"], BINDINGS[order["binding"]])
        if order["binding"] == "post" and not response.response.signature:
            raise ValueError("the response is not signed")
        status = response.response.status.status_code
        return {
            "in_response_to": response.in_response_to,
            "status": [status.value] + ([status.status_code.value] if status.status_code else []),
        }
    if action == "logout-asked":
        options = order.get("query", {})
        request = client.parse_logout_request(
            order["request"],
            BINDINGS[order["binding"]],
            relay_state=options.get("RelayState"),
            sigalg=options.get("SigAlg"),
            signature=options.get("Signature"),
        )
        message = request.message
        destination = client.metadata.single_logout_service(idp(client), BINDING_HTTP_REDIRECT, "idpsso")[0]
        response = client.create_logout_response(
            message, [BINDING_HTTP_REDIRECT], sign=False, issuer=client._issuer()
        )
        return {
            "name_id": message.name_id.text,
            "session_index": message.session_index[0].text if message.session_index else None,
            **carry(client, "redirect", response, destination["location"], order, True),
        }
    raise ValueError(action)


def answered(line):
    try:
        return {"answer": main(json.loads(line))}
    except Exception:
        return {"refused": traceback.format_exc()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answered(line)), flush=True)
