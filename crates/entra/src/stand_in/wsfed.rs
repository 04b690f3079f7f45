//! The WS-Federation request as Entra ID words it: order of parameters, lower-case hex and all.

use super::request::{Ask, MULTI_FACTOR, lower_hex, with_query};
use crate::tenant::{Cloud, Federation};

const PASSWORD: &str =
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";

/// One sign-in request.
pub struct Request<'a> {
    pub ask: Ask,
    pub client_request_id: &'a str,
    pub username: Option<&'a str>,
    pub wctx: &'a str,
    pub with_reply: bool,
}

impl Request<'_> {
    /// The address that the browser is sent to.
    pub fn url(&self, cloud: &Cloud, federation: &Federation) -> String {
        let mut parameters = Vec::from(first(self.ask));
        parameters.push(("client-request-id", self.client_request_id));
        parameters.extend(self.username.map(|username| ("username", username)));
        parameters.extend([
            ("wa", "wsignin1.0"),
            ("wtrealm", &cloud.audience),
            ("wctx", self.wctx),
        ]);
        parameters.extend(self.with_reply.then_some(("wreply", cloud.reply.as_str())));
        parameters.extend([("cbcxt", ""), ("mkt", ""), ("lc", "")]);
        parameters.extend((self.ask == Ask::PromptLogin).then_some(("prompt", "login")));
        let query: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(name, value)))
            .collect();
        with_query(&federation.passive_sign_in_uri, &query.join("&"))
    }
}

fn first(ask: Ask) -> &'static [(&'static str, &'static str)] {
    match ask {
        Ask::SignIn | Ask::PromptLogin => &[],
        Ask::FreshPassword => &[("wfresh", "0"), ("wauth", PASSWORD)],
        Ask::Fresh => &[("wfresh", "0")],
        Ask::MultiFactor => &[("wauth", MULTI_FACTOR), ("mfa_max_age", "259200")],
    }
}

fn encoded(name: &str, value: &str) -> String {
    // The first option is encoded by somebody else than the rest, and it shows.
    match value.strip_prefix("LoginOptions=3&") {
        Some(rest) if name == "wctx" => format!("LoginOptions%3D3%26{}", lower_hex(rest)),
        _ => lower_hex(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::request::{blob, context};
    use crate::tenant::Protocol;

    #[track_caller]
    fn check(
        ask: Ask,
        username: Option<&str>,
        with_reply: bool,
        passive_sign_in_uri: &str,
        expected: &str,
    ) {
        let cloud = Cloud {
            audience: "urn:federation:MicrosoftOnline".to_owned(),
            reply: "https://login.example/login.srf".to_owned(),
        };
        let federation = Federation {
            issuer_uri: String::new(),
            passive_sign_in_uri: passive_sign_in_uri.to_owned(),
            sign_out_uri: String::new(),
            protocol: Protocol::WsFed,
            signing_certificate: Vec::new(),
            next_signing_certificate: None,
            metadata_exchange_uri: None,
            active_sign_in_uri: None,
        };
        let wctx = context("b_l-ob", false);
        let request = Request {
            ask,
            client_request_id: "guid",
            username,
            wctx: &wctx,
            with_reply,
        };
        assert_eq!(request.url(&cloud, &federation), expected);
    }

    const REST: &str = "wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline\
        &wctx=LoginOptions%3D3%26estsredirect%3d2%26estsrequest%3db_l-ob";

    #[test]
    fn the_request_looks_as_it_does_in_traces() {
        check(
            Ask::SignIn,
            Some("alice@contoso.example"),
            false,
            "https://idp/wsfed",
            &format!(
                "https://idp/wsfed?client-request-id=guid&username=alice%40contoso.example&{REST}&cbcxt=&mkt=&lc="
            ),
        );
        check(
            Ask::MultiFactor,
            None,
            false,
            "https://idp/wsfed",
            &format!(
                "https://idp/wsfed?wauth=http%3a%2f%2fschemas.microsoft.com%2fclaims%2fmultipleauthn\
                 &mfa_max_age=259200&client-request-id=guid&{REST}&cbcxt=&mkt=&lc="
            ),
        );
    }

    #[test]
    fn asking_again_has_three_dialects() {
        let password = "http%3a%2f%2fschemas.microsoft.com%2fws%2f2008%2f06%2fidentity%2fauthenticationmethod%2fpassword";
        let idp = "https://idp/";
        let check = |ask, expected: String| check(ask, None, false, idp, &expected);
        check(
            Ask::FreshPassword,
            format!(
                "{idp}?wfresh=0&wauth={password}&client-request-id=guid&{REST}&cbcxt=&mkt=&lc="
            ),
        );
        check(
            Ask::Fresh,
            format!("{idp}?wfresh=0&client-request-id=guid&{REST}&cbcxt=&mkt=&lc="),
        );
        check(
            Ask::PromptLogin,
            format!("{idp}?client-request-id=guid&{REST}&cbcxt=&mkt=&lc=&prompt=login"),
        );
    }

    #[test]
    fn an_address_with_a_query_keeps_it() {
        check(
            Ask::SignIn,
            None,
            true,
            "https://idp/?tenant=1",
            &format!(
                "https://idp/?tenant=1&client-request-id=guid&{REST}\
                 &wreply=https%3a%2f%2flogin.example%2flogin.srf&cbcxt=&mkt=&lc="
            ),
        );
    }

    #[test]
    fn a_long_context_decodes_to_itself() {
        let wctx = context("blob", true);
        let query = format!("wctx={}", encoded("wctx", &wctx));
        let decoded: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(decoded, [("wctx".into(), wctx.as_str().into())]);
        assert_eq!(blob(&wctx), Some("blob"));
        assert!(wctx.len() > 4096, "{}", wctx.len());
    }
}
