//! Federation metadata, where the app's page says and where Entra looks by itself.

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::app::App;
use crate::problem::Failure;

/// In which domain's name it is.
#[derive(Deserialize)]
pub struct Wish {
    domain: Option<String>,
}

/// `GET /wsfed/{app_id}/FederationMetadata/2007-06/FederationMetadata.xml`, of one domain with `?domain=…`
pub async fn of_app(
    State(app): State<App>,
    Path(app_id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, Failure> {
    let app_id = idp::parse::app_id(&app_id)?;
    let domain = wish.domain.as_deref();
    Ok(xml(app.idp.wsfed_metadata(&app_id, domain).await?))
}

/// `GET /FederationMetadata/2007-06/FederationMetadata.xml`
pub async fn of_host(State(app): State<App>) -> Result<Response, Failure> {
    Ok(xml(app.idp.microsoft365_metadata().await?))
}

fn xml(document: String) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "application/samlmetadata+xml; charset=utf-8",
        )],
        document,
    )
        .into_response()
}
