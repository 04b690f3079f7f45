//! A place for things that are asked for by a secret name and are forgotten after a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// More than any demonstration needs, and little enough to hold in memory when somebody floods it.
const CAPACITY: usize = 10_000;

pub struct Shelf<T> {
    lifetime: TimeDelta,
    items: Mutex<HashMap<String, (DateTime<Utc>, T)>>,
}

impl<T: Clone> Shelf<T> {
    pub fn new(lifetime: TimeDelta) -> Self {
        Self {
            lifetime,
            items: Mutex::default(),
        }
    }

    /// Puts something under its name; what has been there longest makes room.
    pub fn put(&self, name: String, item: T, now: DateTime<Utc>) {
        let mut items = self.items();
        if items.len() >= CAPACITY {
            items.retain(|_, (since, _)| now - *since < self.lifetime);
        }
        if items.len() >= CAPACITY {
            let oldest = items
                .iter()
                .min_by_key(|(_, (since, _))| *since)
                .map(|(name, _)| name.clone());
            oldest.and_then(|name| items.remove(&name));
        }
        items.insert(name, (now, item));
    }

    pub fn look(&self, name: &str, now: DateTime<Utc>) -> Option<T> {
        let items = self.items();
        items
            .get(name)
            .filter(|(since, _)| now - *since < self.lifetime)
            .map(|(_, item)| item.clone())
    }

    pub fn take(&self, name: &str, now: DateTime<Utc>) -> Option<T> {
        let (since, item) = self.items().remove(name)?;
        (now - since < self.lifetime).then_some(item)
    }

    /// Takes away whatever is of this kind.
    pub fn take_where(&self, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
        let mut items = self.items();
        let taken = items.extract_if(|_, (_, item)| is_meant(item));
        taken.map(|(_, (_, item))| item).collect()
    }

    fn items(&self) -> MutexGuard<'_, HashMap<String, (DateTime<Utc>, T)>> {
        // Every change is a single call, so a panic elsewhere cannot leave half of one.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_until_its_time_is_over() {
        let (shelf, now) = (Shelf::new(TimeDelta::hours(1)), DateTime::UNIX_EPOCH);
        shelf.put("name".to_owned(), 7, now);
        assert_eq!(shelf.look("name", now + TimeDelta::minutes(59)), Some(7));
        assert_eq!(shelf.look("name", now + TimeDelta::hours(1)), None);
        assert_eq!(shelf.look("another", now), None);
        assert_eq!(shelf.take("name", now), Some(7));
        assert_eq!(shelf.take("name", now), None);
    }

    #[test]
    fn a_flood_pushes_out_the_oldest_and_no_more() {
        let (shelf, now) = (Shelf::new(TimeDelta::hours(1)), DateTime::UNIX_EPOCH);
        for number in 0..=CAPACITY {
            let at = now + TimeDelta::milliseconds(i64::try_from(number).expect("it is small"));
            shelf.put(number.to_string(), number, at);
        }
        assert_eq!(shelf.look("0", now), None);
        assert_eq!(shelf.look("1", now), Some(1));
        assert_eq!(shelf.items().len(), CAPACITY);
    }
}
