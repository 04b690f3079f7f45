//! The demonstration: a company whose domain is already federated, and the stand-in for Microsoft 365
//! that takes its people's tokens. Everything is thrown away when it stops; `countersign serve` never starts it.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entra::{Cloud, Domain, Federation, Protocol, StandIn, Tenant, User};
use idp::apps::NewMicrosoft365;
use idp::people::NewUser;
use idp::{Clock, Idp, Origin};
use zeroize::Zeroizing;

use crate::app::{self, App};
use crate::config::Config;
use crate::{foundation, listen};

const DOMAIN: &str = "contoso.example";
const GROUP: &str = "Microsoft 365 users";
const PASSWORD: &str = "Countersign-demo-1";

struct Person {
    name: &'static str,
    given: &'static str,
    granted: bool,
    enabled: bool,
    admin: bool,
}

const PEOPLE: [Person; 5] = [
    Person {
        name: "Alice Archer",
        given: "alice",
        granted: true,
        enabled: true,
        admin: false,
    },
    Person {
        name: "Bob Brewer",
        given: "bob",
        granted: true,
        enabled: true,
        admin: false,
    },
    Person {
        name: "Carol Carter",
        given: "carol",
        granted: false,
        enabled: true,
        admin: false,
    },
    Person {
        name: "Dave Dyer",
        given: "dave",
        granted: true,
        enabled: false,
        admin: false,
    },
    Person {
        name: "Ada Admin",
        given: "admin",
        granted: true,
        enabled: true,
        admin: true,
    },
];

pub async fn run(listen: SocketAddr, entra_listen: SocketAddr) -> anyhow::Result<()> {
    for address in [listen, entra_listen] {
        if !address.ip().is_loopback() {
            bail!(
                "the demonstration listens on this machine only, not on {address}: everybody knows its passwords"
            );
        }
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the demonstration")?;
    let config = Config::for_demo(folder.path().to_owned(), listen);
    let bound = listen::bind(&config)
        .with_context(|| "stop what listens there, or choose another port with --listen")?;
    let entra_socket = tokio::net::TcpListener::bind(entra_listen)
        .await
        .with_context(|| format!("cannot listen on {entra_listen}: stop what listens there, or choose another port with --entra-listen"))?;
    let entra_url = format!("http://localhost:{}", entra_listen.port());

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

    // Whoever reads this may stop reading; that is no reason to stop.
    let _ = std::io::stdout().write_all(welcome(&config, &entra_url).as_bytes());
    let app = App {
        idp,
        trusted_proxies: Vec::new().into(),
        proxies_only: false,
        demo: true,
    };
    bound.serve(app::router(app)).await?;
    drop(stop);
    Ok(stand_in.await??)
}

/// Does what an admin of Contoso did: people, a group, the domain's app; and what Microsoft knows of it.
async fn furnish(idp: &Idp, entra_url: &str) -> anyhow::Result<Tenant> {
    let origin = Origin {
        source: "demonstration".to_owned(),
        correlation_id: "demonstration".to_owned(),
    };
    idp.add_group(GROUP, &origin).await?;
    let new = NewMicrosoft365 {
        domain: DOMAIN.to_owned(),
        label: Some("Contoso Microsoft 365".to_owned()),
        cloud: idp::cloud::Cloud::Worldwide,
        entra_url: Some(entra_url.to_owned()),
    };
    let app = idp.add_microsoft365(new, &origin).await?;
    idp.grant(&app.id, GROUP, &origin).await?;

    let mut users = Vec::new();
    for person in PEOPLE {
        let upn = format!("{}@{DOMAIN}", person.given);
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

    let audience = app.realm.clone().unwrap_or_default();
    let told = idp.federation_of(app)?;
    let federation = Federation {
        issuer_uri: told.issuer,
        passive_sign_in_uri: told.passive_sign_in_url,
        sign_out_uri: told.sign_out_url,
        protocol: Protocol::WsFed,
        signing_certificate: BASE64_STANDARD.decode(told.signing_certificate)?,
        next_signing_certificate: None,
        metadata_exchange_uri: None,
        active_sign_in_uri: None,
    };
    Ok(Tenant {
        cloud: Cloud {
            audience,
            reply: format!("{entra_url}/login.srf"),
        },
        domains: vec![Domain {
            name: DOMAIN.to_owned(),
            federation: Some(federation),
        }],
        users,
    })
}

fn welcome(config: &Config, entra_url: &str) -> String {
    let ours = config.public_url.as_str().trim_end_matches('/');
    format!(
        "
This is a DEMONSTRATION. Its people, passwords and keys are public and are thrown away when it stops.

  Open    {entra_url}    a stand-in for Microsoft 365, with the domain {DOMAIN} federated
  and     {ours}    Countersign: the portal of Contoso's people

  Sign in as               what happens
  alice@{DOMAIN}    signed in, with each check that Microsoft would make
  bob@{DOMAIN}      try a wrong password
  carol@{DOMAIN}    may not use Microsoft 365: she is in no granted group
  dave@{DOMAIN}     his account is disabled
  admin@{DOMAIN}    administrator: sees the federation commands in the portal

  The password of all of them is {PASSWORD}

Stop with Ctrl-C.
"
    )
}
