//! Whose fault it was, first; then what to tell the person who can fix it.

use chrono::{DateTime, Utc};

/// The outcome of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody outside has to change something: the request, the app's settings, a grant.
    #[error("{0}")]
    Refused(Refusal, Record),
    /// The command line or a form asked for something that cannot be; the text names the fix.
    #[error("{0}")]
    Invalid(String),
    /// We cannot answer at this moment: the database is away, or too many passwords are being checked.
    #[error("{0}")]
    Unavailable(String),
    /// Our failure.
    #[error("internal error")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whether the audit knows of a refusal yet. Whoever answers the caller sees to it that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    Missing,
    Written,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, Record::Missing)
    }
}

impl Error {
    pub(crate) fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Broken(Box::new(cause))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Taken { what } => {
                Self::Invalid(format!("this {what} is already in use; choose another"))
            }
            error if error.is_unavailable() => {
                tracing::warn!(error = %error, "The database does not answer");
                Self::Unavailable("the database does not answer".to_owned())
            }
            error => Self::broken(error),
        }
    }
}

/// A sign-in that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No app has this id.
    #[error("no application has the id in this address")]
    UnknownApp,
    /// The address asks for a domain that the application does not have.
    #[error("the application has no such domain")]
    UnknownDomain,
    /// The host's own metadata address, and there are several Microsoft 365 apps.
    #[error("there are several Microsoft 365 applications")]
    SeveralApps,
    /// The app is switched off.
    #[error("the application is disabled")]
    AppDisabled { label: String },
    /// The app does not speak the protocol of the address.
    #[error("the application does not speak this protocol")]
    OtherProtocol { label: String },
    /// The request is not what the protocol says (WS-Fed 1.2 §13, SAML core and bindings).
    #[error("{0}")]
    BadRequest(#[from] protocol::BadRequest),
    /// The message's `Issuer` is not the app's service provider.
    #[error("the issuer of the message is not the service provider of this application")]
    ForeignIssuer { label: String },
    /// The message's `Destination`, or its `wsa:To`, is none of the app's addresses, or is missing where it is signed.
    #[error("the message is for another address than the one it came to")]
    ForeignDestination { label: String },
    /// The assertion consumer service is none of the app's.
    #[error("the request names an assertion consumer service that is not this application's")]
    ForeignAcs { label: String },
    /// The message has to be signed.
    #[error("the message is not signed")]
    NotSigned { label: String },
    /// The message's signature is not believed.
    #[error("the signature of the message is not valid: {why}")]
    BadSignature { label: String, why: String },
    /// The message is from another time.
    #[error("the message is too old, or from the future")]
    Stale { label: String },
    /// `IsPassive`, and somebody would have to be asked.
    #[error("nobody is signed in, and the request forbids asking")]
    Passive { label: String },
    /// `NameIDPolicy` asks for an identifier that the app does not get.
    #[error("the request asks for a name identifier that this application does not get")]
    NameIdPolicy { label: String },
    /// `ProtocolBinding` is not HTTP-POST.
    #[error("the request asks for a binding that responses are not sent by")]
    UnsupportedBinding { label: String },
    /// The request is about somebody else than who is signed in.
    #[error("the request is about another person")]
    OtherSubject { upn: String, label: String },
    /// A logout response that nobody waits for.
    #[error("no sign-out waits for this answer")]
    UnexpectedAnswer { label: String },
    /// The sign-out's page was open for too long, or its address is made up.
    #[error("this sign-out has ended")]
    SignOutExpired,
    /// `wtrealm`, or `AppliesTo` in WS-Trust, is not this app's.
    #[error("wtrealm or AppliesTo is not the realm of this application")]
    ForeignRealm { label: String },
    /// `wreply` is none of this app's reply addresses.
    #[error("wreply is not a reply address of this application")]
    ForeignReply { label: String },
    /// Nobody has turned on that a password alone opens the app.
    #[error("signing in with a password alone is not turned on for this application")]
    ActiveOff { label: String },
    /// It is turned on for other networks only.
    #[error("signing in with a password alone is not turned on for this network")]
    ForeignNetwork { label: String },
    /// `wauth` asks for several factors.
    #[error("the request asks for multi-factor authentication")]
    MultiFactorRequested { label: String },
    /// `wauth` asks for a method that we do not have.
    #[error("the request asks for a way of signing in that is not available here")]
    MethodRequested { label: String },
    /// The user name or the password is wrong; which of them is nobody's business.
    #[error("the user name or password is incorrect")]
    WrongCredentials,
    /// Too many wrong passwords.
    #[error("too many wrong passwords")]
    Locked { until: DateTime<Utc> },
    /// The password is right, the user is switched off.
    #[error("the user is disabled")]
    UserDisabled { upn: String },
    /// No group of the user is granted the app.
    #[error("the user is not in a group that is granted this application")]
    NotGranted { upn: String, label: String },
    /// The UPN's domain is not one that this app speaks for.
    #[error("the user's domain is not one of this application's")]
    OutsideDomain { upn: String, label: String },
    /// The user has no value for the identifier that the app wants.
    #[error("the user has no value for the identifier of this application")]
    NoIdentifier { upn: String, label: String },
    /// The sign-in page was open for too long, or its address is made up.
    #[error("this sign-in has expired")]
    AttemptExpired,
    /// A form came without the code that binds it to this browser.
    #[error("the form does not belong to this browser session")]
    ForeignForm,
    /// A form came without any cookie: this browser keeps none.
    #[error("the form came without the cookie of its page")]
    NoCookie,
    /// The page is for administrators.
    #[error("this page is for administrators")]
    NotAdmin { upn: String },
    /// The page needs a signed-in administrator and the client cannot be sent to the sign-in page.
    #[error("sign in as an administrator first")]
    NotSignedIn,
    /// The set-up link was used, has expired, or is made up.
    #[error("this set-up link is no longer valid")]
    SetupLinkGone,
    /// The app has no federation commands because it is not a Microsoft 365 app.
    #[error("only Microsoft 365 applications have federation commands")]
    NoCommands { label: String },
    /// A parameter of the page of commands that it does not know, or that is there twice, or has no such value.
    #[error("{why}")]
    UnknownChoice { why: String },
    /// The action `rotate`, and there is no certificate to rotate to.
    #[error(
        "{label} has no next certificate; make one with “countersign cert next {app_id}”, then fetch these commands again"
    )]
    NoNextCertificate { label: String, app_id: String },
}

/// What a page tells the person: what happened, why, and what to do.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub title: &'static str,
    pub what: String,
    pub why: String,
    pub what_to_do: String,
}

impl Refusal {
    /// The reason as the audit and the log keep it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownApp => "unknown-app",
            Self::UnknownDomain => "unknown-domain",
            Self::SeveralApps => "several-apps",
            Self::AppDisabled { .. } => "app-disabled",
            Self::OtherProtocol { .. } => "other-protocol",
            Self::BadRequest(_) => "bad-request",
            Self::ForeignIssuer { .. } => "foreign-issuer",
            Self::ForeignDestination { .. } => "foreign-destination",
            Self::ForeignAcs { .. } => "foreign-acs",
            Self::NotSigned { .. } => "not-signed",
            Self::BadSignature { .. } => "bad-signature",
            Self::Stale { .. } => "stale",
            Self::Passive { .. } => "passive",
            Self::NameIdPolicy { .. } => "name-id-policy",
            Self::UnsupportedBinding { .. } => "unsupported-binding",
            Self::OtherSubject { .. } => "other-subject",
            Self::UnexpectedAnswer { .. } => "unexpected-answer",
            Self::SignOutExpired => "sign-out-expired",
            Self::ForeignRealm { .. } => "foreign-realm",
            Self::ForeignReply { .. } => "foreign-reply",
            Self::ActiveOff { .. } => "active-off",
            Self::ForeignNetwork { .. } => "foreign-network",
            Self::MultiFactorRequested { .. } => "multi-factor-requested",
            Self::MethodRequested { .. } => "method-requested",
            Self::WrongCredentials => "wrong-credentials",
            Self::Locked { .. } => "locked",
            Self::UserDisabled { .. } => "user-disabled",
            Self::NotGranted { .. } => "not-granted",
            Self::OutsideDomain { .. } => "outside-domain",
            Self::NoIdentifier { .. } => "no-identifier",
            Self::AttemptExpired => "attempt-expired",
            Self::ForeignForm => "foreign-form",
            Self::NoCookie => "no-cookie",
            Self::NotAdmin { .. } => "not-admin",
            Self::NotSignedIn => "not-signed-in",
            Self::SetupLinkGone => "setup-link-gone",
            Self::NoCommands { .. } => "no-commands",
            Self::UnknownChoice { .. } => "unknown-choice",
            Self::NoNextCertificate { .. } => "no-next-certificate",
        }
    }

    /// The words for the person in front of the screen.
    #[expect(
        clippy::too_many_lines,
        reason = "a list of texts; splitting it would only hide half of them"
    )]
    pub fn explanation(&self) -> Explanation {
        let say = |title, what: &str, why: String, what_to_do: &str| Explanation {
            title,
            what: what.to_owned(),
            why,
            what_to_do: what_to_do.to_owned(),
        };
        let tell_admin = "Turn to your administrator and give them the correlation id below.";
        match self {
            Self::UnknownApp => say(
                "Unknown application",
                "This address does not belong to any application here.",
                "The application was removed, or the address was copied incompletely.".to_owned(),
                "Go back to the application and start again. An administrator finds the right address with “countersign app show”.",
            ),
            Self::UnknownDomain => say(
                "Unknown domain",
                "The application of this address does not have the domain that the address asks for.",
                "The domain was removed, or the address was copied incompletely.".to_owned(),
                "Leave “domain” out of the address, or name one that “countersign app domain list” shows.",
            ),
            Self::SeveralApps => say(
                "Whose metadata?",
                "This address gives the federation metadata of a server with one Microsoft 365 domain.",
                "This server has several Microsoft 365 applications, each with metadata of its own.".to_owned(),
                "Use the application's own address: an administrator finds it in the portal or with “countersign app show”.",
            ),
            Self::AppDisabled { label } => say(
                "Application switched off",
                &format!("You cannot sign in to {label} at the moment."),
                "An administrator has switched this application off.".to_owned(),
                tell_admin,
            ),
            Self::OtherProtocol { label } => say(
                "Wrong address",
                &format!("{label} does not use this address."),
                "The application speaks another protocol (WS-Federation or SAML 2.0).".to_owned(),
                "Go back to the application and start again. An administrator finds the right address with “countersign app show”.",
            ),
            Self::ForeignIssuer { label } => say(
                "The request is from another application",
                &format!("This address is for {label} only."),
                "The issuer of the message is not the entity id that is stored for the application.".to_owned(),
                "The administrator of the application compares its entity id with the one shown by “countersign app show”.",
            ),
            Self::ForeignDestination { label } => say(
                "The request is for another address",
                &format!("A message about {label} came here by mistake."),
                "Its destination is not the address that it arrived at.".to_owned(),
                "The administrator of the application enters the addresses there that “countersign app show” prints.",
            ),
            Self::ForeignAcs { label } => say(
                "Reply address not allowed",
                &format!("The request asks to send the answer somewhere that does not belong to {label}."),
                "The assertion consumer service is compared exactly with the addresses stored for the application, and it is none of them.".to_owned(),
                "Do not go on if you followed a link in a message. Otherwise the administrator imports the application's metadata again.",
            ),
            Self::NotSigned { label } => say(
                "The request is not signed",
                &format!("{label} has to sign its requests."),
                "This message carries no signature.".to_owned(),
                "The administrator of the application switches signing on there, with the key whose certificate is stored here.",
            ),
            Self::BadSignature { label, why } => say(
                "The request's signature is not valid",
                &format!("A message in the name of {label} cannot be believed."),
                format!("The reason: {why}."),
                "If the application has a new certificate, its administrator imports its metadata here again.",
            ),
            Self::Stale { label } => say(
                "The request has expired",
                &format!("A message from {label} is too old, or comes from the future."),
                "Its times are not the present one: a page was open for long, or a clock is wrong.".to_owned(),
                "Go back to the application and start again. If it happens again, its administrator checks the clock.",
            ),
            Self::Passive { label } => say(
                "Not signed in",
                &format!("{label} asked whether you are signed in; you are not."),
                "The request forbids asking you.".to_owned(),
                "Go back to the application and sign in there.",
            ),
            Self::NameIdPolicy { label } => say(
                "Identifier not available",
                &format!("{label} asks for a kind of name identifier that it does not get here."),
                "The format in the request (NameIDPolicy) is not the one stored for the application.".to_owned(),
                "The administrator chooses the format with “countersign app set … --name-id”, or changes it in the application.",
            ),
            Self::UnsupportedBinding { label } => say(
                "Way of answering not available",
                &format!("{label} asks for its answer in a way that this server does not offer."),
                "The request's ProtocolBinding is not HTTP-POST.".to_owned(),
                "The administrator of the application sets it to HTTP-POST.",
            ),
            Self::OtherSubject { upn, label } => say(
                "The request is about somebody else",
                &format!("{label} wants to sign in somebody else, and you are {upn}."),
                "The request names its subject.".to_owned(),
                "Sign out, then go back to the application and sign in with the other account.",
            ),
            Self::UnexpectedAnswer { label } => say(
                "Nobody waits for this answer",
                &format!("{label} answers a sign-out that is over or never was."),
                "The message was kept for too long, or was sent twice.".to_owned(),
                "You can close this page.",
            ),
            Self::SignOutExpired => say(
                "This sign-out is over",
                "There is nothing left to do here.",
                "A sign-out is kept for one hour.".to_owned(),
                "Close the browser if you use a shared computer.",
            ),
            Self::BadRequest(error) => say(
                "The sign-in request is not valid",
                "The application sent a request that cannot be answered.",
                error.to_string(),
                "Go back to the application and start again. If it happens again, give the administrator of the application the correlation id below.",
            ),
            Self::ForeignRealm { label } => say(
                "The request is for another application",
                &format!("This address signs people in to {label} only."),
                "The request names a realm (wtrealm, AppliesTo) that is not this application's.".to_owned(),
                "The administrator of the application compares its realm with the one shown by “countersign app show”.",
            ),
            Self::ActiveOff { label } => say(
                "Not turned on",
                &format!("{label} does not take a user name and a password at this address."),
                "WS-Trust is turned off for this application.".to_owned(),
                "An administrator turns it on with “countersign app set --active on”, or on the application's Windows page.",
            ),
            Self::ForeignNetwork { label } => say(
                "Not from this network",
                &format!("{label} does not take a user name and a password from this network."),
                "WS-Trust is turned on for other networks only.".to_owned(),
                "An administrator changes the networks with “countersign app set --active-from”, or on the application's Windows page.",
            ),
            Self::ForeignReply { label } => say(
                "Reply address not allowed",
                &format!("The request asks to send the answer somewhere that does not belong to {label}."),
                "The reply address (wreply) is compared exactly with the addresses stored for the application, and it is none of them.".to_owned(),
                "Do not go on if you followed a link in a message. Otherwise the administrator of the application adds the address to it.",
            ),
            Self::MultiFactorRequested { label } => say(
                "A second factor is needed",
                &format!("{label} asks you to prove who you are with more than a password."),
                "This server does not offer second factors yet, and it never claims one that was not proven.".to_owned(),
                "Turn to your administrator: the domain's federatedIdpMfaBehavior must let Microsoft ask for the second factor (acceptIfMfaDoneByFederatedIdp).",
            ),
            Self::MethodRequested { label } => say(
                "This way of signing in is not available",
                &format!("{label} asks for a way of signing in that this server does not offer."),
                "The request names an authentication method (wauth) other than a password.".to_owned(),
                tell_admin,
            ),
            Self::WrongCredentials => say(
                "Sign-in failed",
                "The user name or password is incorrect.",
                "They do not belong to any active account here.".to_owned(),
                "Try again, or ask your administrator for a new password.",
            ),
            Self::Locked { .. } => say(
                "Too many attempts",
                "Signing in is paused for a short while.",
                "There were too many wrong passwords.".to_owned(),
                "Wait, then try again with the right password.",
            ),
            Self::UserDisabled { upn } => say(
                "Account disabled",
                &format!("The account {upn} is disabled."),
                "An administrator has switched it off.".to_owned(),
                tell_admin,
            ),
            Self::NotGranted { upn, label } => say(
                "No access",
                &format!("{upn} does not have access to {label}."),
                "Access is given to groups, and this account is in none that is granted the application.".to_owned(),
                "Turn to your administrator to be added to such a group, and give them the correlation id below.",
            ),
            Self::OutsideDomain { upn, label } => say(
                "Account of another domain",
                &format!("{upn} cannot be signed in to {label}."),
                "The domain of this user name is not the domain that the application is federated for.".to_owned(),
                "Sign in with the account of that domain, or turn to your administrator with the correlation id below.",
            ),
            Self::NoIdentifier { upn, label } => say(
                "Account incomplete",
                &format!("{upn} cannot be signed in to {label}."),
                "The account has no value for the identifier that the application needs.".to_owned(),
                tell_admin,
            ),
            Self::AttemptExpired => say(
                "This sign-in has expired",
                "The sign-in page was open for too long, or its address is incomplete.",
                "A sign-in that was begun is kept for one hour.".to_owned(),
                "Go back to the application and start again.",
            ),
            Self::ForeignForm => say(
                "The form could not be accepted",
                "Nothing was changed.",
                "The form does not belong to this browser session: somebody has signed in or out since the page was opened, or it came from somewhere else.".to_owned(),
                "Open the page again and fill it in once more.",
            ),
            Self::NoCookie => say(
                "Cookies are needed",
                "Nothing was changed.",
                "The form came without the cookie that its page had set: this browser keeps no cookies for this site, or has lost them since.".to_owned(),
                "Allow cookies for this site and try again.",
            ),
            Self::NotAdmin { upn } => say(
                "For administrators",
                &format!("{upn} may not see this page."),
                "It is for administrators of this server.".to_owned(),
                "Sign out and sign in with an administrator's account.",
            ),
            Self::NotSignedIn => say(
                "Not signed in",
                "This address is for a signed-in administrator.",
                "The request carries no valid session.".to_owned(),
                "Open the address in a browser and sign in, or send the session cookie of an administrator.",
            ),
            Self::SetupLinkGone => say(
                "Set-up link no longer valid",
                "This link cannot be used.",
                "It was used before, it has expired, or this server already has an administrator.".to_owned(),
                "Start the server again to get a new link while it has no administrator, or use “countersign user add … --admin”.",
            ),
            Self::UnknownChoice { why } => say(
                "There are no such commands",
                "The address asks for commands that do not exist.",
                format!("{why}."),
                "Correct the address, or leave out what follows the question mark.",
            ),
            Self::NoNextCertificate { label, app_id } => say(
                "Nothing to rotate to",
                &format!("{label} has one certificate only, the one that signs."),
                "Microsoft is given the next certificate before it signs, and there is none yet.".to_owned(),
                &format!("Make one with “countersign cert next {app_id}”, then fetch these commands again."),
            ),
            Self::NoCommands { label } => say(
                "No federation commands",
                &format!("{label} is not a Microsoft 365 application."),
                "Only a Microsoft 365 domain is federated with PowerShell.".to_owned(),
                "Give the application's administrator the federation metadata instead.",
            ),
        }
    }
}
