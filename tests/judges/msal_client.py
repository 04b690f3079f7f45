"""Plays clients of WS-Trust with MSAL: answers each line of standard input, an order in JSON, by a line of JSON."""

import json
import sys
import traceback

import msal
import msal.mex
import msal.wstrust_request
import requests


class Network:
    """What MSAL sends through: it trusts one more certificate, and finds some hosts elsewhere."""

    def __init__(self, order):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = order["certificate"]
        self.hosts = order["hosts"]
        self.statuses = []

    def get(self, url, **options):
        return self.send("GET", url, options)

    def post(self, url, **options):
        return self.send("POST", url, options)

    def send(self, method, url, options):
        for host, address in self.hosts.items():
            if url.startswith(host):
                url = address + url.removeprefix(host)
        response = self.session.request(method, url, **options)
        self.statuses.append(response.status_code)
        return response

    def close(self):
        self.session.close()


def main(order, network):
    action = order["action"]
    if action == "read-mex":
        return msal.mex.Mex(order["document"]).get_wstrust_username_password_endpoint()
    if action == "mex":
        return msal.mex.send_request(order["url"], network)
    if action == "trust":
        issued = msal.wstrust_request.send_request(
            order["username"],
            order["password"],
            order["audience"],
            order["address"],
            order.get("soap_action"),
            network,
        )
        return {"token": issued["token"].decode(), "type": issued["type"]}
    if action == "sign-in":
        client = msal.PublicClientApplication(
            order["client_id"], authority=order["authority"], http_client=network
        )
        return client.acquire_token_by_username_password(order["username"], order["password"], order["scopes"])
    raise ValueError(action)


def answered(line):
    order = json.loads(line)
    network = Network(order)
    try:
        return {"answer": main(order, network), "statuses": network.statuses}
    except Exception:
        return {"refused": traceback.format_exc(), "statuses": network.statuses}
    finally:
        network.close()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answered(line)), flush=True)
