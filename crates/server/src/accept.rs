//! Content negotiation: a page for people, plain text for their tools (RFC 9110 §12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Whether the client would rather have HTML than plain text; `on_a_tie` when it likes both alike.
pub fn prefers_html(headers: &HeaderMap, on_a_tie: bool) -> bool {
    let accepted: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect();
    let (html, plain) = (liking("html", &accepted), liking("plain", &accepted));
    if html == plain {
        on_a_tie
    } else {
        html > plain
    }
}

/// A media range of the header, in lower case, and its weight in thousandths.
struct Range {
    name: String,
    weight: u16,
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse::<f32>().unwrap_or(0.0))
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value lies between 0 and 1000"
    )]
    let weight = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0).round() as u16;
    Some(Range { name, weight })
}

/// How much a client likes a kind of text: first the weight of the most specific range that names it,
/// then how specific that is. What it excludes is liked less than what it does not name.
fn liking(subtype: &str, accepted: &[Range]) -> (i32, usize) {
    let ranges = [
        "*/*".to_owned(),
        "text/*".to_owned(),
        format!("text/{subtype}"),
    ];
    let named = ranges
        .iter()
        .enumerate()
        .rev()
        .find_map(|(specificity, name)| {
            let range = accepted.iter().find(|range| range.name == *name)?;
            Some((i32::from(range.weight), specificity))
        });
    match named {
        None => (0, 0),
        Some((0, _)) => (-1, 0),
        Some(liking) => liking,
    }
}
