//! What Microsoft has stored about a domain, pasted or uploaded by an administrator and compared.

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest as _, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use idp::Error;
use idp::apps::AppInfo;
use idp::compare::{Comparison, Verdict};

use crate::app::App;
use crate::extract::Browser;
use crate::pages;
use crate::problem::Failure;
use crate::routes::{
    choose_domain, domain_in, of_domain, only_for_admins, page, several, sign_in, with_domain,
};

/// `GET /wsfed/{app_id}/compare`, of one domain with `?domain=…`
pub async fn form(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    let domain = domain_in(query.as_deref());
    let domain = domain.as_deref();
    let Some(person) = browser.signed_in().await? else {
        let back = with_domain(&address(&app_id), domain);
        return sign_in::first(&app, &browser, back).await;
    };
    only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    if several(&shown, domain) {
        return choose_domain(&shown, "Compare with Microsoft", &address(&app_id));
    }
    render(&app, browser, &shown, domain, None)
}

/// `POST /wsfed/{app_id}/compare`
pub async fn submit(
    State(app): State<App>,
    Path(app_id): Path<String>,
    browser: Browser,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    let domain = domain_in(query.as_deref());
    let domain = domain.as_deref();
    // Before the body is read: nobody else shall keep us busy with a large one.
    let Some(person) = browser.signed_in().await? else {
        let back = with_domain(&address(&app_id), domain);
        return sign_in::first(&app, &browser, back).await;
    };
    only_for_admins(person)?;
    let shown = app.idp.app_by_id(&app_id).await?;
    let sent = match Sent::read(request, &app).await {
        Ok(sent) => sent,
        // What is too large is not read to its end; the page of such an answer says so.
        Err(refused) => return Ok(refused),
    };
    browser.check_form(&sent.form_token)?;
    let outcome = match app.idp.compare(&app_id, domain, sent.chosen()).await {
        Ok(comparison) => Outcome::Compared(comparison),
        Err(Error::Invalid(message)) => Outcome::Refused {
            message,
            pasted: String::from_utf8_lossy(&sent.pasted).into_owned(),
        },
        Err(other) => return Err(other.into()),
    };
    render(&app, browser, &shown, domain, Some(outcome))
}

fn address(app_id: &str) -> String {
    format!("/wsfed/{app_id}/compare")
}

/// The fields of the form.
#[derive(Default)]
struct Sent {
    form_token: String,
    pasted: Vec<u8>,
    file: Vec<u8>,
}

impl Sent {
    async fn read(request: Request, app: &App) -> Result<Self, Response> {
        let refused = |error: MultipartError| error.into_response();
        let form = Multipart::from_request(request, app).await;
        let mut form = form.map_err(IntoResponse::into_response)?;
        let mut sent = Self::default();
        while let Some(field) = form.next_field().await.map_err(refused)? {
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.bytes().await.map_err(refused)?.to_vec();
            match name.as_str() {
                "form_token" => sent.form_token = String::from_utf8_lossy(&value).into_owned(),
                "pasted" => sent.pasted = value,
                "file" => sent.file = value,
                _ => {}
            }
        }
        Ok(sent)
    }

    /// A file counts more than what was pasted: it was chosen on purpose.
    fn chosen(&self) -> &[u8] {
        if self.file.is_empty() {
            &self.pasted
        } else {
            &self.file
        }
    }
}

/// What the form led to.
enum Outcome {
    Compared(Comparison),
    Refused { message: String, pasted: String },
}

fn render(
    app: &App,
    mut browser: Browser,
    shown: &AppInfo,
    domain: Option<&str>,
    outcome: Option<Outcome>,
) -> Result<Response, Failure> {
    let federation = app.idp.federation_of(shown.clone(), domain)?;
    let of_domain = of_domain(shown, &federation.domain);
    let (status, message, pasted, result) = match outcome {
        None => (StatusCode::OK, None, String::new(), None),
        Some(Outcome::Refused { message, pasted }) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(message),
            pasted,
            None,
        ),
        Some(Outcome::Compared(comparison)) => {
            let result = compared(comparison);
            (StatusCode::OK, None, String::new(), Some(result))
        }
    };
    let html = page(&pages::Compare {
        command: format!(
            "Get-MgDomainFederationConfiguration -DomainId {} | ConvertTo-Json",
            federation.domain
        ),
        commands_href: format!("/wsfed/{}/commands{of_domain}", federation.app_id),
        action: format!("{}{of_domain}", address(&federation.app_id)),
        app_label: federation.label,
        domain: federation.domain,
        form_token: browser.form_token(),
        pasted,
        message,
        result,
    })?;
    Ok((status, browser.cookies(), html).into_response())
}

/// What needs to be looked at, the worst first, and by name what does not.
fn compared(comparison: Comparison) -> pages::Compared {
    let (same, mut open): (Vec<_>, Vec<_>) = comparison
        .findings
        .into_iter()
        .partition(|finding| finding.verdict == Verdict::Same);
    open.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    pages::Compared {
        differs: comparison.verdict == Verdict::Different,
        findings: open
            .into_iter()
            .map(|finding| pages::Finding {
                setting: finding.setting,
                differs: finding.verdict == Verdict::Different,
                ours: finding.ours,
                theirs: finding.theirs,
                why: finding.why,
                mend: finding.mend,
            })
            .collect(),
        same: same.into_iter().map(|finding| finding.setting).collect(),
    }
}
