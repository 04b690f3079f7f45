//! Check 55: the metadata that says where a password may be sent (WSDL 1.1, WS-Policy, WS-SecurityPolicy).

use roxmltree::Node;
use url::{Host, Url};

use super::reserialized::start_tag;
use super::tally::ensure;
use super::{Arrived, Client, Endpoint, Fetched, MEX, Step, Tally, Version, soap, with_status};
use crate::checks::{names, xml};
use crate::tenant::Federation;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const OVER_HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// Reads the metadata that came from `address`, as this client does.
pub fn mex(
    client: Client,
    address: &str,
    federation: &Federation,
    fetched: &Fetched,
) -> Step<Endpoint> {
    let mut tally = Tally::new(MEX, client);
    let endpoint = read(client, address, federation, fetched, &mut tally);
    tally.step(endpoint)
}

fn read(
    client: Client,
    address: &str,
    federation: &Federation,
    fetched: &Fetched,
    tally: &mut Tally,
) -> Option<Endpoint> {
    tally.mind(
        "55.4",
        ensure(!address.contains('?'), || {
            format!("the address is {address}")
        }),
    )?;
    let arrived = tally.note("55.5", with_status(fetched, 200))?;
    tally.note("55.6", media_type(arrived))?;
    let text = soap::text(arrived);
    let document = tally.note("55.7", text.and_then(xml::document))?;
    let definitions = definitions(document.root_element(), tally)?;
    tally.mind("55.9", unique(definitions))?;

    let policies = policies(definitions);
    let of = |version| {
        policies
            .iter()
            .any(|policy: &Policy| policy.version == version)
    };
    let taken = |version| {
        ensure(of(version), || {
            "there is no such policy at wsp:Policy/wsp:ExactlyOne/wsp:All".to_owned()
        })
    };
    tally.mind("55.10", taken(Version::Feb2005))?;
    tally.mind("55.11", taken(Version::Trust13))?;
    tally.mind("55.12", each(&policies, Policy::is_named_literally))?;
    tally.mind(
        "55.13",
        each(&policies, |policy| policy.declares_sp(policy.transport)),
    )?;
    tally.mind(
        "55.14",
        each(&policies, |policy| policy.declares_sp(policy.tokens)),
    )?;
    let bindings = tally.note("55.15", bindings(definitions, &policies))?;
    let ports = ports(definitions, &bindings);
    tally.mind("55.16", one_service(definitions))?;
    tally.mind("55.17", each(&ports, Port::is_safe))?;
    tally.mind("55.18", each(&ports, Port::tells_its_version))?;
    let endpoint = tally.note("55.19", chosen(client, &ports))?;
    tally.note("55.20", registered(&endpoint, address, federation))?;
    Some(endpoint)
}

fn media_type(arrived: &Arrived) -> Result<(), String> {
    let sent = arrived.content_type.as_deref().unwrap_or_default();
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    let known = ["text/xml", "application/xml", "application/soap+xml"];
    ensure(
        known
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known)),
        || format!("the content type is {sent:?}"),
    )
}

/// Some clients search the whole document for it.
fn definitions<'a, 'i>(root: Node<'a, 'i>, tally: &mut Tally) -> Option<Node<'a, 'i>> {
    let found = root
        .descendants()
        .find(|node| node.has_tag_name((WSDL, "definitions")));
    let bare = ensure(found == Some(root), || {
        let name = root.tag_name();
        let namespace = name.namespace().unwrap_or_default();
        format!("the root is {} of {namespace:?}", name.name())
    });
    match (found, bare) {
        (None, Err(why)) => tally.note("55.8", Err(why)),
        (_, bare) => tally.mind("55.8", bare).and(found),
    }
}

fn unique(definitions: Node) -> Result<(), String> {
    let identifiers = xml::children(definitions, names::POLICY, "Policy")
        .filter_map(|policy| policy.attribute((names::UTILITY, "Id")));
    let bindings =
        xml::children(definitions, WSDL, "binding").filter_map(|binding| binding.attribute("name"));
    for mut all in [identifiers.collect::<Vec<_>>(), bindings.collect()] {
        all.sort_unstable();
        let twice = all.windows(2).find(|pair| pair[0] == pair[1]);
        if let Some([name, _]) = twice {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(())
}

/// A policy that asks for a user name and a password over TLS.
struct Policy<'a, 'i> {
    element: Node<'a, 'i>,
    transport: Node<'a, 'i>,
    tokens: Node<'a, 'i>,
    version: Version,
    id: &'a str,
}

fn policies<'a, 'i>(definitions: Node<'a, 'i>) -> Vec<Policy<'a, 'i>> {
    xml::children(definitions, names::POLICY, "Policy")
        .flat_map(|element| {
            Version::BOTH
                .into_iter()
                .filter_map(move |version| policy(element, version))
        })
        .collect()
}

fn policy<'a, 'i>(element: Node<'a, 'i>, version: Version) -> Option<Policy<'a, 'i>> {
    let first =
        |parent: Node<'a, 'i>, namespace, name| xml::children(parent, namespace, name).next();
    let sp = version.security_policy();
    let exactly_one = first(element, names::POLICY, "ExactlyOne")?;
    let all = first(exactly_one, names::POLICY, "All")?;
    let tokens = first(all, sp, version.supporting_tokens())?;
    let user_name = first(first(tokens, names::POLICY, "Policy")?, sp, "UsernameToken")?;
    first(
        first(user_name, names::POLICY, "Policy")?,
        sp,
        "WssUsernameToken10",
    )?;
    Some(Policy {
        element,
        transport: first(all, sp, "TransportBinding")?,
        tokens,
        version,
        id: element.attribute((names::UTILITY, "Id"))?,
    })
}

impl Policy<'_, '_> {
    fn is_named_literally(&self) -> Result<(), String> {
        let tag = written(self.element);
        let has = tag.is_some_and(|tag| tag.attributes.contains(&("wsu:Id", self.id)));
        ensure(has, || {
            format!("{} has its identifier under another prefix", self.id)
        })
    }

    fn declares_sp(&self, element: Node) -> Result<(), String> {
        let declaration = ("xmlns:sp", self.version.security_policy());
        let declares = written(element).is_some_and(|tag| tag.attributes.contains(&declaration));
        ensure(declares, || {
            format!(
                "{} of {} does not declare it",
                element.tag_name().name(),
                self.id
            )
        })
    }
}

fn written<'a>(element: Node<'a, '_>) -> Option<super::reserialized::StartTag<'a>> {
    start_tag(&element.document().input_text()[element.range()])
}

struct Binding<'a> {
    name: &'a str,
    policy: &'a str,
    version: Version,
}

/// The bindings of these policies; `Err` when one leads nowhere or says something that nobody knows.
fn bindings<'a>(
    definitions: Node<'a, '_>,
    policies: &[Policy<'a, '_>],
) -> Result<Vec<Binding<'a>>, String> {
    let mut found = Vec::new();
    for binding in xml::children(definitions, WSDL, "binding") {
        let name = binding.attribute("name").unwrap_or_default();
        let refers = |policy: &&Policy| {
            xml::children(binding, names::POLICY, "PolicyReference")
                .filter_map(|reference| reference.attribute("URI"))
                .any(|uri| uri.strip_prefix('#') == Some(policy.id))
        };
        for policy in policies.iter().filter(refers) {
            let action = action(binding)?;
            ensure(action == policy.version.request_action(), || {
                format!("the action of {name} is {action:?}")
            })?;
            let transport = xml::only(binding, SOAP12, "binding")?.attribute("transport");
            ensure(transport == Some(OVER_HTTP), || {
                format!("the transport of {name} is {transport:?}")
            })?;
            found.push(Binding {
                name,
                policy: policy.id,
                version: policy.version,
            });
        }
    }
    for policy in policies {
        let is_bound = found.iter().any(|binding| binding.policy == policy.id);
        ensure(is_bound, || format!("no binding refers to {}", policy.id))?;
    }
    Ok(found)
}

/// The action of the first operation, at which every client stops.
fn action<'a>(binding: Node<'a, '_>) -> Result<&'a str, String> {
    let name = binding.attribute("name").unwrap_or_default();
    xml::children(binding, WSDL, "operation")
        .next()
        .and_then(|operation| xml::children(operation, SOAP12, "operation").next())
        .and_then(|operation| operation.attribute("soapAction"))
        .ok_or_else(|| format!("{name} has no operation with a soapAction"))
}

struct Port {
    version: Version,
    address: Result<String, String>,
}

/// The ports of these bindings, in order.
fn ports(definitions: Node, bindings: &[Binding]) -> Vec<Port> {
    xml::children(definitions, WSDL, "service")
        .flat_map(|service| xml::children(service, WSDL, "port"))
        .filter_map(|port| {
            let binding = port.attribute("binding")?;
            let local = binding.rsplit(':').next()?;
            let binding = bindings.iter().find(|binding| binding.name == local)?;
            Some(Port {
                version: binding.version,
                address: address(port),
            })
        })
        .collect()
}

fn address(port: Node) -> Result<String, String> {
    let reference = xml::only(port, names::ADDRESSING, "EndpointReference")?;
    Ok(xml::text(xml::only(
        reference,
        names::ADDRESSING,
        "Address",
    )?))
}

fn one_service(definitions: Node) -> Result<(), String> {
    let service = xml::only(definitions, WSDL, "service")?;
    let mut bindings = xml::children(service, WSDL, "port")
        .map(|port| port.attribute("binding").unwrap_or_default());
    let bare = bindings.find(|binding| !binding.contains(':'));
    ensure(bare.is_none(), || {
        format!(
            "a port is bound to {:?}, without a prefix",
            bare.unwrap_or_default()
        )
    })
}

impl Port {
    fn is_safe(&self) -> Result<(), String> {
        let address = self.address.as_ref().map_err(String::clone)?;
        let url = Url::parse(address).map_err(|error| format!("{address:?} is no URL: {error}"))?;
        // White space before it is where two clients stop; behind it nobody minds.
        let begins = address.starts_with("https://")
            || (address.starts_with("http://") && is_loopback(&url));
        ensure(begins, || format!("it is {address:?}"))
    }

    fn tells_its_version(&self) -> Result<(), String> {
        let address = self.address.as_ref().map_err(String::clone)?;
        ensure(address.trim().ends_with(self.version.path()), || {
            format!("{address} does not end in {}", self.version.path())
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// MSAL.NET never sees 1.3, MSAL Go nothing else; the others prefer it.
fn chosen(client: Client, ports: &[Port]) -> Result<Endpoint, String> {
    let versions: &[Version] = match client {
        Client::DotNet => &[Version::Feb2005],
        Client::Go => &[Version::Trust13],
        Client::Java | Client::Python | Client::Windows => &[Version::Trust13, Version::Feb2005],
    };
    let port = versions
        .iter()
        .find_map(|version| ports.iter().find(|port| port.version == *version))
        .ok_or("no port leads to a policy that it knows")?;
    let address = port.address.as_ref().map_err(String::clone)?;
    Ok(Endpoint {
        address: address.trim().to_owned(),
        version: port.version,
    })
}

/// No metadata makes this client send a password to a host that the domain has nothing to do with.
fn registered(endpoint: &Endpoint, mex: &str, federation: &Federation) -> Result<(), String> {
    let origin = |address: &str| Url::parse(address).map(|url| url.origin()).ok();
    let known = [Some(mex), federation.active_sign_in_uri.as_deref()];
    let is_known = known
        .into_iter()
        .flatten()
        .any(|known| origin(known).is_some() && origin(known) == origin(&endpoint.address));
    ensure(is_known, || {
        format!("{} is on another host than the metadata", endpoint.address)
    })
}

fn each<T>(all: &[T], holds: impl Fn(&T) -> Result<(), String>) -> Result<(), String> {
    all.iter().try_for_each(holds)
}
