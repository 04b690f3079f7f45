//! `$filter`, as far as people are looked up by it: comparisons, `startswith`, `endswith`, `and`, `or`, `not`.

use serde_json::Value;

use super::error::GraphError;

/// The properties that can be asked for.
const PROPERTIES: &[&str] = &[
    "userPrincipalName",
    "displayName",
    "onPremisesImmutableId",
    "onPremisesSyncEnabled",
    "accountEnabled",
    "userType",
    "id",
];

/// Deeper than anybody nests by hand.
const DEEPEST: usize = 32;

#[derive(Debug, PartialEq)]
pub enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Is(&'static str, Vec<Value>),
    StartsWith(&'static str, String),
    EndsWith(&'static str, String),
}

impl Filter {
    pub fn read(text: &str) -> Result<Self, GraphError> {
        let tokens = tokens(text).ok_or_else(|| invalid(text))?;
        let mut reader = Reader {
            tokens: &tokens,
            depth: 0,
        };
        let filter = reader.either().filter(|_| reader.tokens.is_empty());
        filter.ok_or_else(|| invalid(text))
    }

    /// Graph answers these from an index that may be a little old, if the caller says that this will do.
    pub fn is_advanced(&self) -> bool {
        match self {
            Self::And(one, other) | Self::Or(one, other) => {
                one.is_advanced() || other.is_advanced()
            }
            Self::Not(_) | Self::EndsWith(..) => true,
            Self::Is(_, values) => values.contains(&Value::Null),
            Self::StartsWith(..) => false,
        }
    }

    pub fn takes(&self, object: &Value) -> bool {
        let text = |property: &str| object[property].as_str().unwrap_or_default();
        match self {
            Self::And(one, other) => one.takes(object) && other.takes(object),
            Self::Or(one, other) => one.takes(object) || other.takes(object),
            Self::Not(one) => !one.takes(object),
            Self::Is(property, values) => values
                .iter()
                .any(|value| equal(property, value, &object[*property])),
            Self::StartsWith(property, start) => folded(text(property)).starts_with(&folded(start)),
            Self::EndsWith(property, end) => folded(text(property)).ends_with(&folded(end)),
        }
    }
}

fn invalid(text: &str) -> GraphError {
    GraphError::unreadable(format!("Invalid filter clause: {text}"))
}

/// Text is compared without its case, but for the anchor, whose case counts.
fn equal(property: &str, wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::String(wanted), Value::String(found)) if property != "onPremisesImmutableId" => {
            folded(wanted) == folded(found)
        }
        _ => wanted == found,
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {}
            '(' | ')' | ',' => tokens.push(Token::Mark(letter)),
            '\'' => {
                let mut literal = String::new();
                loop {
                    match letters.next()? {
                        // A quotation mark is doubled in a literal.
                        '\'' if letters.next_if_eq(&'\'').is_some() => literal.push('\''),
                        '\'' => break,
                        other => literal.push(other),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            _ if letter.is_ascii_alphabetic() => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(char::is_ascii_alphanumeric) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Reader<'_> {
    fn either(&mut self) -> Option<Filter> {
        let mut filter = self.both()?;
        while self.takes_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Some(filter)
    }

    fn both(&mut self) -> Option<Filter> {
        let mut filter = self.one()?;
        while self.takes_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Some(filter)
    }

    fn one(&mut self) -> Option<Filter> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let filter = if self.takes_word("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.takes_mark('(') {
            let inner = self.either()?;
            self.takes_mark(')').then_some(inner)?
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Some(filter)
    }

    fn comparison(&mut self) -> Option<Filter> {
        let word = self.word()?;
        let function: Option<fn(&'static str, String) -> Filter> =
            match word.to_ascii_lowercase().as_str() {
                "startswith" => Some(Filter::StartsWith),
                "endswith" => Some(Filter::EndsWith),
                _ => None,
            };
        if let Some(function) = function {
            let opened = self.takes_mark('(');
            let name = self.word()?;
            let property = property(&name).filter(|_| opened && self.takes_mark(','))?;
            let Value::String(text) = self.literal()? else {
                return None;
            };
            return self.takes_mark(')').then(|| function(property, text));
        }
        let property = property(&word)?;
        match self.word()?.as_str() {
            "eq" => Some(Filter::Is(property, vec![self.literal()?])),
            "ne" => {
                let filter = Filter::Is(property, vec![self.literal()?]);
                Some(Filter::Not(Box::new(filter)))
            }
            "in" => {
                self.takes_mark('(').then_some(())?;
                let mut values = vec![self.literal()?];
                while self.takes_mark(',') {
                    values.push(self.literal()?);
                }
                self.takes_mark(')').then_some(())?;
                Some(Filter::Is(property, values))
            }
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<Value> {
        let (first, rest) = self.tokens.split_first()?;
        let value = match first {
            Token::Text(text) => Value::String(text.clone()),
            Token::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return None,
            },
            Token::Mark(_) => return None,
        };
        self.tokens = rest;
        Some(value)
    }

    fn word(&mut self) -> Option<String> {
        let (Token::Word(word), rest) = self.tokens.split_first()? else {
            return None;
        };
        self.tokens = rest;
        Some(word.clone())
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        self.takes(&Token::Word(wanted.to_owned()))
    }

    fn takes_mark(&mut self, mark: char) -> bool {
        self.takes(&Token::Mark(mark))
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

fn property(name: &str) -> Option<&'static str> {
    PROPERTIES
        .iter()
        .copied()
        .find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(filter: &str, takes: &[&str]) {
        let filter = Filter::read(filter).expect("it is a filter");
        let people = [
            ("alice@contoso.example", Some("Id-A")),
            ("o'neill@contoso.example", None),
            ("bob@sub.contoso.example", Some("id-a")),
        ];
        let found: Vec<_> = people
            .iter()
            .filter(|(upn, id)| {
                filter.takes(&json!({ "userPrincipalName": upn, "onPremisesImmutableId": id, "accountEnabled": id.is_some() }))
            })
            .map(|(upn, _)| upn.split('@').next().unwrap_or_default())
            .collect();
        assert_eq!(found, takes);
    }

    #[test]
    fn people_are_found_by_what_is_asked() {
        check("userPrincipalName eq 'Alice@Contoso.example'", &["alice"]);
        check(
            "userPrincipalName eq 'o''neill@contoso.example'",
            &["o'neill"],
        );
        check(
            "endswith(userPrincipalName,'@contoso.example')",
            &["alice", "o'neill"],
        );
        check("startsWith(userPrincipalName, 'B')", &["bob"]);
        check("onPremisesImmutableId eq 'id-a'", &["bob"]);
        check("onPremisesImmutableId eq null", &["o'neill"]);
        check(
            "onPremisesImmutableId in ('Id-A', 'id-a')",
            &["alice", "bob"],
        );
        check(
            "not endswith(userPrincipalName,'@contoso.example')",
            &["bob"],
        );
        check(
            "onPremisesImmutableId ne null and not (startswith(userPrincipalName,'a') or accountEnabled eq false)",
            &["bob"],
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = "(".repeat(60_000);
        for text in [
            "",
            "userPrincipalName",
            "userPrincipalName eq",
            "userPrincipalName eq 'open",
            "userPrincipalName eq alice",
            "userPrincipalName gt 'a'",
            "shoeSize eq '44'",
            "endswith(userPrincipalName)",
            "endswith userPrincipalName,'a')",
            "userPrincipalName eq 'a' or",
            "userPrincipalName eq 'a' 'b'",
            "(userPrincipalName eq 'a'",
            "userPrincipalName eq 'a'; drop",
            &deep,
        ] {
            assert!(Filter::read(text).is_err(), "{text:.40}");
        }
    }
}
