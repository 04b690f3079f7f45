//! A tenant as Entra ID stores it: its domains, how they are federated, and the people in it.

/// A directory with its domains and people.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub cloud: Cloud,
    pub domains: Vec<Domain>,
    pub users: Vec<User>,
}

/// Where this Entra ID lives: what it calls itself and where answers are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The realm of its requests and the audience of its tokens, such as `urn:federation:MicrosoftOnline`.
    pub audience: String,
    /// The address that takes answers, ending in `/login.srf`.
    pub reply: String,
}

/// A verified root domain; without a federation its people sign in at Entra ID itself.
///
/// A sub-domain is one only when it was promoted. Otherwise it follows its parent and is not told of.
#[derive(Clone, Debug)]
pub struct Domain {
    pub name: String,
    pub federation: Option<Federation>,
}

/// What `New-MgDomainFederationConfiguration` stored for a domain.
#[derive(Clone, Debug)]
pub struct Federation {
    pub issuer_uri: String,
    pub passive_sign_in_uri: String,
    pub sign_out_uri: String,
    pub protocol: Protocol,
    /// An X.509 certificate in DER.
    pub signing_certificate: Vec<u8>,
    /// The certificate that will sign after the next rollover, in DER.
    pub next_signing_certificate: Option<Vec<u8>>,
    pub metadata_exchange_uri: Option<String>,
    pub active_sign_in_uri: Option<String>,
}

/// `preferredAuthenticationProtocol` of a federated domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    WsFed,
    Saml,
}

impl Protocol {
    /// Its name among people.
    pub fn name(self) -> &'static str {
        match self {
            Self::WsFed => "WS-Federation",
            Self::Saml => "SAML 2.0",
        }
    }
}

/// A person in the directory.
#[derive(Clone, Debug)]
pub struct User {
    pub upn: String,
    /// `onPremisesImmutableId`: compared case-sensitively.
    pub immutable_id: String,
    pub display_name: String,
    pub enabled: bool,
}

impl Tenant {
    /// The domain of exactly this name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains
            .iter()
            .find(|domain| domain.name.eq_ignore_ascii_case(name))
    }

    /// The root domain that answers for `name`: a sub-domain inherits its parent's settings unless it
    /// was promoted.
    pub fn root_of(&self, name: &str) -> Option<&Domain> {
        self.domains
            .iter()
            .filter(|domain| is_under(name, &domain.name))
            .max_by_key(|domain| domain.name.len())
    }

    /// The root domain of a UPN or e-mail address.
    pub fn root_of_upn(&self, upn: &str) -> Option<&Domain> {
        self.root_of(domain_of(upn)?)
    }

    /// The federated domain whose `issuerUri` is, byte for byte, this issuer.
    pub fn realm(&self, issuer: &str) -> Option<Realm<'_>> {
        self.domains.iter().find_map(|domain| {
            let federation = domain
                .federation
                .as_ref()
                .filter(|federation| federation.issuer_uri == issuer)?;
            Some(Realm { domain, federation })
        })
    }

    /// The person with this ImmutableID, whose case counts.
    pub fn user(&self, immutable_id: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| user.immutable_id == immutable_id)
    }
}

/// A domain that is federated, with how.
#[derive(Clone, Copy, Debug)]
pub struct Realm<'a> {
    pub domain: &'a Domain,
    pub federation: &'a Federation,
}

/// What follows the `@` of a UPN; `None` when it has no such shape.
pub fn domain_of(upn: &str) -> Option<&str> {
    let (name, domain) = upn.split_once('@')?;
    let whole = !name.is_empty() && !domain.is_empty() && !domain.contains('@');
    (whole && !upn.contains(|c: char| c.is_whitespace() || c.is_control())).then_some(domain)
}

fn is_under(name: &str, parent: &str) -> bool {
    let (name, parent) = (name.to_ascii_lowercase(), parent.to_ascii_lowercase());
    name == parent
        || name
            .strip_suffix(&parent)
            .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(domains: &[(&str, bool)]) -> Tenant {
        let federation = |name: &str| Federation {
            issuer_uri: format!("https://{name}"),
            passive_sign_in_uri: String::new(),
            sign_out_uri: String::new(),
            protocol: Protocol::WsFed,
            signing_certificate: Vec::new(),
            next_signing_certificate: None,
            metadata_exchange_uri: None,
            active_sign_in_uri: None,
        };
        Tenant {
            cloud: Cloud {
                audience: String::new(),
                reply: String::new(),
            },
            domains: domains
                .iter()
                .map(|(name, federated)| Domain {
                    name: (*name).to_owned(),
                    federation: federated.then(|| federation(name)),
                })
                .collect(),
            users: Vec::new(),
        }
    }

    #[track_caller]
    fn check(domains: &[(&str, bool)], name: &str, root: Option<&str>) {
        let tenant = tenant(domains);
        assert_eq!(
            tenant.root_of(name).map(|domain| domain.name.as_str()),
            root,
            "root of {name}"
        );
    }

    #[test]
    fn a_sub_domain_has_its_parents_root() {
        check(
            &[("contoso.example", true)],
            "mail.Contoso.example",
            Some("contoso.example"),
        );
        check(
            &[("contoso.example", false)],
            "mail.contoso.example",
            Some("contoso.example"),
        );
    }

    #[test]
    fn a_promoted_sub_domain_is_its_own_root() {
        for federated in [true, false] {
            let domains = [
                ("contoso.example", true),
                ("mail.contoso.example", federated),
            ];
            check(
                &domains,
                "mail.contoso.example",
                Some("mail.contoso.example"),
            );
            check(&domains, "contoso.example", Some("contoso.example"));
        }
    }

    #[test]
    fn a_domain_that_only_ends_alike_is_foreign() {
        check(&[("contoso.example", true)], "notcontoso.example", None);
        check(&[("contoso.example", true)], "example", None);
    }

    #[test]
    fn a_upn_has_one_name_and_one_domain() {
        assert_eq!(domain_of("alice@contoso.example"), Some("contoso.example"));
        for odd in [
            "alice",
            "@contoso.example",
            "alice@",
            "a@b@c",
            "al ice@contoso.example",
            "",
        ] {
            assert_eq!(domain_of(odd), None, "{odd:?}");
        }
    }
}
