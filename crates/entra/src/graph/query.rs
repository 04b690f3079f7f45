//! The part of OData that Graph offers in a query: `$select`, `$filter`, `$top`, `$count` and pages.

use serde_json::{Map, Value, json};

use super::error::GraphError;
use super::filter::Filter;

/// How many objects a page has, unless `$top` says otherwise.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 999;

/// What a query asks for.
#[derive(Debug, Default)]
pub struct Query {
    select: Option<String>,
    filter: Option<String>,
    top: Option<String>,
    count: bool,
    skip_token: Option<String>,
}

/// A kind of object: its name, and what of it comes unasked; everything where that is none.
pub struct Kind {
    pub name: &'static str,
    pub unasked: Option<&'static [&'static str]>,
}

impl Query {
    pub fn read(query: &str) -> Result<Self, GraphError> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let slot = match &*name {
                "$select" => &mut read.select,
                "$filter" => &mut read.filter,
                "$top" => &mut read.top,
                "$skiptoken" => &mut read.skip_token,
                "$count" => {
                    read.count = value == "true";
                    continue;
                }
                _ => {
                    return Err(GraphError::unsupported_query(format!(
                        "The query option '{name}' is not supported here."
                    )));
                }
            };
            if slot.replace(value).is_some() {
                return Err(GraphError::unreadable(format!(
                    "Query option '{name}' was specified more than once."
                )));
            }
        }
        Ok(read)
    }

    /// For resources of which there is one, or few.
    pub fn only_select(&self) -> Result<&Self, GraphError> {
        let others = [&self.filter, &self.top, &self.skip_token];
        if others.iter().any(|option| option.is_some()) {
            return Err(GraphError::unsupported_query(
                "Only the query option '$select' is supported here.",
            ));
        }
        Ok(self)
    }

    /// The chosen properties of an object, in the order of the object.
    pub fn selected(&self, object: Value, kind: &Kind) -> Result<Map<String, Value>, GraphError> {
        let Value::Object(object) = object else {
            unreachable!("what Graph gives out are objects")
        };
        let names: Vec<&str> = match (&self.select, kind.unasked) {
            (Some(select), _) => select.split(',').map(str::trim).collect(),
            (None, Some(unasked)) => unasked.to_vec(),
            (None, None) => return Ok(object),
        };
        // Names are compared without their case, as Graph does.
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        if let Some(unknown) = names
            .iter()
            .find(|name| !object.keys().any(|known| same(known, name)))
        {
            return Err(GraphError::unreadable(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{unknown}' on type 'microsoft.graph.{}'.",
                kind.name
            )));
        }
        Ok(object
            .into_iter()
            .filter(|(known, _)| names.iter().any(|name| same(known, name)))
            .collect())
    }

    /// A page of the objects that the filter lets through, with the address of the next one.
    ///
    /// `address` is the collection's own; `eventual` is whether the caller takes what may be a little old.
    pub fn page(
        &self,
        objects: impl Iterator<Item = Value>,
        kind: &Kind,
        address: &str,
        eventual: bool,
    ) -> Result<Map<String, Value>, GraphError> {
        let filter = self.filter.as_deref().map(Filter::read).transpose()?;
        if filter.as_ref().is_some_and(Filter::is_advanced) && !(eventual && self.count) {
            return Err(GraphError::unsupported_query(
                "The filter needs the header 'ConsistencyLevel: eventual' and the query option '$count=true'.",
            ));
        }
        let found: Vec<Value> = objects
            .filter(|object| filter.as_ref().is_none_or(|filter| filter.takes(object)))
            .collect();
        let from: usize = match &self.skip_token {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| GraphError::unreadable("The $skiptoken is not one of ours."))?,
        };
        let top = self.top()?;
        let mut page = Map::new();
        if self.count {
            page.insert("@odata.count".to_owned(), json!(found.len()));
        }
        if found.len() > from.saturating_add(top) {
            let next = self.after(from + top);
            page.insert(
                "@odata.nextLink".to_owned(),
                json!(format!("{address}?{next}")),
            );
        }
        let objects = found.into_iter().skip(from).take(top);
        let objects = objects.map(|object| self.selected(object, kind));
        page.insert(
            "value".to_owned(),
            json!(objects.collect::<Result<Vec<_>, _>>()?),
        );
        Ok(page)
    }

    fn top(&self) -> Result<usize, GraphError> {
        let Some(top) = &self.top else {
            return Ok(PAGE);
        };
        top.parse()
            .ok()
            .filter(|top| (1..=LONGEST_PAGE).contains(top))
            .ok_or_else(|| {
                GraphError::unsupported_query(format!(
                    "Invalid page size specified: '{top}'. Must be between 1 and {LONGEST_PAGE} inclusive."
                ))
            })
    }

    /// The query of a later page.
    fn after(&self, number: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("$select", &self.select),
            ("$filter", &self.filter),
            ("$top", &self.top),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if self.count {
            query.append_pair("$count", "true");
        }
        query
            .append_pair("$skiptoken", &number.to_string())
            .finish()
    }

    /// What `@odata.context` says was chosen.
    pub fn context(&self) -> String {
        let select = self.select.as_deref().map(|select| format!("({select})"));
        select.unwrap_or_default()
    }
}
