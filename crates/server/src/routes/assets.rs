//! The few files that pages load, from inside the binary.

use axum::extract::{Path, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::pages::{ASSETS, asset_version};

/// `GET /assets/{file}?v=…`: kept for ever under the version that the pages name, never under another.
pub async fn file(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let current =
        query.as_deref().and_then(|query| query.strip_prefix("v=")) == Some(asset_version());
    let cache = if current {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    (
        [
            (header::CONTENT_TYPE, asset.content_type),
            (header::CACHE_CONTROL, cache),
        ],
        asset.bytes,
    )
        .into_response()
}

/// `GET /favicon.ico`: browsers ask for it whatever the page says.
pub async fn favicon() -> Redirect {
    Redirect::permanent("/assets/mark.svg")
}
