//! The posted form, kept as bytes: what a field holds is decided by the checks, not by a decoder that mends.

/// The fields of an `application/x-www-form-urlencoded` body, in order, decoded but not yet text.
pub struct Form(Vec<(Vec<u8>, Vec<u8>)>);

impl Form {
    pub fn read(body: &[u8]) -> Self {
        let fields = body
            .split(|byte| *byte == b'&')
            .filter(|field| !field.is_empty());
        Self(
            fields
                .map(|field| {
                    let equals = field
                        .iter()
                        .position(|byte| *byte == b'=')
                        .unwrap_or(field.len());
                    (
                        decoded(&field[..equals]),
                        decoded(field.get(equals + 1..).unwrap_or_default()),
                    )
                })
                .collect(),
        )
    }

    /// The first value of this field.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The value of a field that may be there once; `Err` says that it is there more often.
    pub fn once(&self, name: &str) -> Result<Option<&[u8]>, String> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(format!("{name} is there more than once")),
        }
    }

    /// Every value of this field, in order.
    fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .filter(move |(field, _)| field == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }
}

/// A `%` that no two hex digits follow stands for itself, as browsers and servers agreed.
fn decoded(encoded: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', tail),
            },
            _ => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &[&[u8]]) {
        let form = Form::read(body.as_bytes());
        assert_eq!(form.all("wctx").collect::<Vec<_>>(), expected, "{body}");
    }

    #[test]
    fn fields_are_decoded_once() {
        check("wa=x&wctx=a%3d1%26b+c%2Bd", &[b"a=1&b c+d"]);
        check("wctx=%253d", &[b"%3d"]);
        check("wctx=a=b", &[b"a=b"]);
        check("%77ctx=1", &[b"1"]);
    }

    #[test]
    fn a_doubled_field_is_seen_twice() {
        check("wctx=1&wctx=2", &[b"1", b"2"]);
        check("wctx&wctx=", &[b"", b""]);
    }

    #[test]
    fn bytes_that_are_not_text_survive() {
        check("wctx=%ff%00", &[b"\xff\x00"]);
        check("wctx=100%&x", &[b"100%"]);
        check("wctx=%4", &[b"%4"]);
        check("wctx=%+1", &[b"% 1"]);
        check("wctx=%zz", &[b"%zz"]);
    }
}
