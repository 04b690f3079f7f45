//! The demonstration: two companies whose domains are already federated, and the stand-in for Microsoft 365
//! that takes its people's tokens. Everything is thrown away when it stops; `countersign serve` never starts it.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entra::{Cloud, Domain, Federation, Protocol, StandIn, Tenant, User};
use idp::apps::{ActiveChange, AppChange, NewMicrosoft365};
use idp::people::NewUser;
use idp::{Clock, Idp, Origin};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::app::{self, App};
use crate::cli::{Out, lines};
use crate::config::Config;
use crate::{foundation, listen};

/// Speaks WS-Federation with Microsoft.
const CONTOSO: &str = "contoso.example";
/// Speaks SAML 2.0 with Microsoft.
const FABRIKAM: &str = "fabrikam.example";
const GROUP: &str = "Microsoft 365 users";
const PASSWORD: &str = "Countersign-demo-1";

struct Person {
    domain: &'static str,
    name: &'static str,
    given: &'static str,
    granted: bool,
    enabled: bool,
    admin: bool,
    /// What happens when this person signs in.
    story: &'static str,
}

const PEOPLE: [Person; 6] = [
    Person {
        domain: CONTOSO,
        name: "Alice Archer",
        given: "alice",
        granted: true,
        enabled: true,
        admin: false,
        story: "signed in, with each check that Microsoft would make",
    },
    Person {
        domain: CONTOSO,
        name: "Bob Brewer",
        given: "bob",
        granted: true,
        enabled: true,
        admin: false,
        story: "try a wrong password",
    },
    Person {
        domain: CONTOSO,
        name: "Carol Carter",
        given: "carol",
        granted: false,
        enabled: true,
        admin: false,
        story: "may not use Microsoft 365: she is in no granted group",
    },
    Person {
        domain: CONTOSO,
        name: "Dave Dyer",
        given: "dave",
        granted: true,
        enabled: false,
        admin: false,
        story: "his account is disabled",
    },
    Person {
        domain: CONTOSO,
        name: "Ada Admin",
        given: "admin",
        granted: true,
        enabled: true,
        admin: true,
        story: "administrator: sees the federation commands in the portal",
    },
    Person {
        domain: FABRIKAM,
        name: "Felix Fabrikant",
        given: "felix",
        granted: true,
        enabled: true,
        admin: false,
        story: "signed in by SAML 2.0",
    },
];

pub async fn run(listen: SocketAddr, entra_listen: SocketAddr, out: &Out) -> anyhow::Result<()> {
    for address in [listen, entra_listen] {
        if !address.ip().is_loopback() {
            bail!(
                "the demonstration listens on this machine only, not on {address}: everybody knows its passwords"
            );
        }
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the demonstration")?;
    let mut config = Config::for_demo(folder.path().to_owned(), listen);
    let bound = listen::bind(&config)
        .with_context(|| "stop what listens there, or choose another port with --listen")?;
    config.listen = bound.address;
    let entra_socket = tokio::net::TcpListener::bind(entra_listen)
        .await
        .with_context(|| format!("cannot listen on {entra_listen}: stop what listens there, or choose another port with --entra-listen"))?;
    let entra_url = format!("http://localhost:{}", entra_socket.local_addr()?.port());

    let idp = foundation::open(&config, Clock::system()).await?;
    let tenant = furnish(&idp, &entra_url).await?;
    let clock = Clock::system();
    let stand_in = entra::router(StandIn::new(tenant, &entra_url, move || clock.now()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stand_in = tokio::spawn(async move {
        axum::serve(entra_socket, stand_in)
            .with_graceful_shutdown(async { drop(stopped.await) })
            .await
    });

    let welcome = Welcome {
        public_url: idp.urls().base().to_owned(),
        entra_url,
        password: PASSWORD,
        people: PEOPLE.iter().map(Guest::from).collect(),
    };
    out.print(&welcome, || welcome.in_words())?;
    let app = App {
        idp,
        trusted_proxies: Vec::new().into(),
        proxies_only: false,
        metrics_networks: config.metrics_networks.clone().into(),
        demo: true,
    };
    bound.serve(app::router(app)).await?;
    drop(stop);
    Ok(stand_in.await??)
}

/// Does what the admins of both companies did: people, a group, each domain's app; and what Microsoft knows
/// of it.
async fn furnish(idp: &Idp, entra_url: &str) -> anyhow::Result<Tenant> {
    let origin = Origin {
        source: "demonstration".to_owned(),
        correlation_id: "demonstration".to_owned(),
        via: None,
    };
    idp.add_group(GROUP, &origin).await?;
    let domains = vec![
        federated(idp, CONTOSO, "Contoso Microsoft 365", entra_url, &origin).await?,
        federated(idp, FABRIKAM, "Fabrikam Microsoft 365", entra_url, &origin).await?,
    ];
    let mut users = Vec::new();
    for person in PEOPLE {
        let upn = format!("{}@{}", person.given, person.domain);
        let new = NewUser {
            upn: upn.clone(),
            display_name: person.name.to_owned(),
            email: None,
            given_name: None,
            family_name: None,
            immutable_id: None,
            admin: person.admin,
            password: Zeroizing::new(PASSWORD.to_owned()),
        };
        let user = idp.add_user(new, &origin).await?;
        if person.granted {
            idp.join_group(GROUP, &upn, &origin).await?;
        }
        if !person.enabled {
            idp.set_user_enabled(&upn, false, &origin).await?;
        }
        users.push(User {
            upn,
            immutable_id: user.immutable_id,
            display_name: person.name.to_owned(),
            enabled: true,
        });
    }
    Ok(Tenant {
        cloud: Cloud {
            audience: idp::cloud::Cloud::Worldwide.audience().to_owned(),
            reply: format!("{entra_url}/login.srf"),
        },
        domains,
        users,
    })
}

/// A Microsoft 365 app, and what its federation commands make Microsoft store.
async fn federated(
    idp: &Idp,
    domain: &str,
    label: &str,
    entra_url: &str,
    origin: &Origin,
) -> anyhow::Result<Domain> {
    let new = NewMicrosoft365 {
        domain: domain.to_owned(),
        label: Some(label.to_owned()),
        cloud: idp::cloud::Cloud::Worldwide,
        entra_url: Some(entra_url.to_owned()),
    };
    let mut app = idp.add_microsoft365(new, origin).await?;
    idp.grant(&app.id, GROUP, origin).await?;
    let change = if domain == FABRIKAM {
        AppChange {
            protocol: Some(store::Protocol::Saml),
            ..AppChange::default()
        }
    } else {
        AppChange {
            active: ActiveChange {
                on: Some(true),
                ..ActiveChange::default()
            },
            ..AppChange::default()
        }
    };
    app = idp.change_app(&app.id, change, origin).await?;
    let told = idp.federation_of(app, None)?;
    Ok(Domain {
        name: domain.to_owned(),
        federation: Some(Federation {
            issuer_uri: told.issuer,
            passive_sign_in_uri: told.passive_sign_in_url,
            sign_out_uri: told.sign_out_url,
            protocol: match told.protocol {
                store::Protocol::Wsfed => Protocol::WsFed,
                store::Protocol::Saml => Protocol::Saml,
            },
            signing_certificate: BASE64_STANDARD.decode(told.signing_certificate)?,
            next_signing_certificate: None,
            metadata_exchange_uri: told.metadata_exchange_url,
            active_sign_in_uri: told.active_sign_in_url,
        }),
    })
}

/// How to begin.
#[derive(Serialize)]
struct Welcome {
    public_url: String,
    entra_url: String,
    password: &'static str,
    people: Vec<Guest>,
}

#[derive(Serialize)]
struct Guest {
    upn: String,
    story: &'static str,
}

impl From<&Person> for Guest {
    fn from(person: &Person) -> Self {
        Self {
            upn: format!("{}@{}", person.given, person.domain),
            story: person.story,
        }
    }
}

impl Welcome {
    fn in_words(&self) -> String {
        let people = lines(&self.people, |guest| {
            format!("  {:<24} {}", guest.upn, guest.story)
        });
        format!(
            "
This is a DEMONSTRATION. Its people, passwords and keys are public and are thrown away when it stops.

  Open    {}    a stand-in for Microsoft 365, with two domains federated:
                                  {CONTOSO} by WS-Federation, {FABRIKAM} by SAML 2.0
                                  Its page also signs in as a Windows PC does: by WS-Trust, with a password
                                  alone. Here that is on for {CONTOSO}; at first it is off everywhere.
  and     {}    Countersign: the portal of their people

  Sign in as               what happens
{people}

  The password of all of them is {}

Stop with Ctrl-C.
",
            self.entra_url, self.public_url, self.password
        )
    }
}
