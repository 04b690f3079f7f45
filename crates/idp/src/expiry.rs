//! Signing certificates that come to their end: from when on somebody is told, how urgently, in which words.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use store::Stage;

use crate::Idp;
use crate::apps::AppInfo;
use crate::certificates::next_steps;
use crate::error::Result;

/// How often a log speaks of the same certificate.
const AGAIN_AFTER: TimeDelta = TimeDelta::days(1);

/// A certificate that signs, or is going to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    pub app_id: String,
    pub label: String,
    pub stage: Stage,
    /// SHA-1, upper-case hexadecimal, as Windows and Entra show it.
    pub thumbprint: String,
    pub not_after: DateTime<Utc>,
    /// What an administrator does once its end comes near.
    pub what_to_do: String,
}

/// How near its end a certificate is; what comes later is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    In90Days,
    In60Days,
    In30Days,
    In7Days,
    Tomorrow,
    Expired,
}

impl Due {
    /// Whether sign-ins are in danger before another week is over.
    pub fn is_urgent(self) -> bool {
        self >= Self::In7Days
    }

    /// Where the end stands at `now`; `None` as long as it is far.
    pub fn at(now: DateTime<Utc>, not_after: DateTime<Utc>) -> Option<Self> {
        let left = not_after - now;
        [
            (0, Self::Expired),
            (1, Self::Tomorrow),
            (7, Self::In7Days),
            (30, Self::In30Days),
            (60, Self::In60Days),
            (90, Self::In90Days),
        ]
        .into_iter()
        .find_map(|(days, due)| (left <= TimeDelta::days(days)).then_some(due))
    }
}

impl InUse {
    /// Those of an app, the one that signs first.
    pub fn of(app: &AppInfo, now: DateTime<Utc>) -> Vec<Self> {
        let stages = [Stage::Current, Stage::Next].into_iter();
        let certificates = stages.filter_map(|stage| app.certificate(stage));
        certificates
            .map(|certificate| Self {
                app_id: app.id.clone(),
                label: app.label.clone(),
                stage: certificate.stage,
                thumbprint: certificate.thumbprint.clone(),
                not_after: certificate.not_after,
                what_to_do: what_to_do(app, certificate.stage, now),
            })
            .collect()
    }

    /// Negative since it has expired.
    pub fn seconds_left(&self, now: DateTime<Utc>) -> i64 {
        (self.not_after - now).num_seconds()
    }

    pub fn due(&self, now: DateTime<Utc>) -> Option<Due> {
        Due::at(now, self.not_after)
    }

    /// What is going to happen, as a sentence; also of a certificate whose end is far.
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        let which = match self.stage {
            Stage::Next => "next signing certificate",
            Stage::Current | Stage::Retired => "signing certificate",
        };
        let on = self.not_after.format("%Y-%m-%d");
        let when = match (self.not_after - now).num_days() {
            _ if self.not_after <= now => format!("expired on {on}"),
            0 => format!("expires within a day, on {on}"),
            1 => format!("expires in 1 day, on {on}"),
            days => format!("expires in {days} days, on {on}"),
        };
        format!("The {which} of {} {when}.", self.label)
    }
}

fn what_to_do(app: &AppInfo, stage: Stage, now: DateTime<Utc>) -> String {
    if stage == Stage::Next {
        let name = app.domain.as_deref().unwrap_or(&app.id);
        return format!("Take it back and make another: countersign cert retire {name} --next");
    }
    let steps = next_steps(app, now);
    let steps: Vec<&str> = steps
        .iter()
        .map(|step| step.trim_end_matches('.'))
        .collect();
    steps.join(". ")
}

/// What was told when, so that nobody hears of the same certificate more than once a day, unless it has
/// become more urgent.
#[derive(Debug, Default)]
pub struct Reminders(HashMap<(String, String), (DateTime<Utc>, Due)>);

impl Reminders {
    /// Those of `certificates` that somebody has to hear of now.
    pub fn now_due<'a>(&mut self, certificates: &'a [InUse], now: DateTime<Utc>) -> Vec<&'a InUse> {
        let mut told = HashMap::new();
        let mut due_now = Vec::new();
        for certificate in certificates {
            let Some(due) = certificate.due(now) else {
                continue;
            };
            let key = (certificate.app_id.clone(), certificate.thumbprint.clone());
            match self.0.get(&key) {
                Some((at, before)) if *before == due && now - *at < AGAIN_AFTER => {
                    told.insert(key, (*at, *before));
                }
                _ => {
                    told.insert(key, (now, due));
                    due_now.push(certificate);
                }
            }
        }
        // What was replaced is forgotten with this.
        self.0 = told;
        due_now
    }
}

impl Idp {
    /// The certificates that sign and those that are going to, of every app, oldest app first.
    pub async fn certificates_in_use(&self) -> Result<Vec<InUse>> {
        let apps = self.apps().await?;
        let now = self.now();
        Ok(apps.iter().flat_map(|app| InUse::of(app, now)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("an instant")
    }

    fn certificate(days: i64) -> InUse {
        InUse {
            app_id: "0".repeat(24),
            label: "Contoso 365".to_owned(),
            stage: Stage::Current,
            thumbprint: "AB".to_owned(),
            not_after: start() + TimeDelta::days(days),
            what_to_do: String::new(),
        }
    }

    #[test]
    fn the_end_comes_nearer_in_six_steps() {
        let second = TimeDelta::seconds(1);
        let not_after = start() + TimeDelta::days(1095);
        let mut before = None;
        for (days, due) in [
            (90, Due::In90Days),
            (60, Due::In60Days),
            (30, Due::In30Days),
            (7, Due::In7Days),
            (1, Due::Tomorrow),
            (0, Due::Expired),
        ] {
            let moment = not_after - TimeDelta::days(days);
            assert_eq!(Due::at(moment - second, not_after), before, "{days}");
            assert_eq!(Due::at(moment, not_after), Some(due), "{days}");
            assert_eq!(due.is_urgent(), days <= 7);
            before = Some(due);
        }
    }

    #[test]
    fn a_certificate_is_spoken_of_once_a_day_and_whenever_it_becomes_more_urgent() {
        let certificates = [certificate(92), certificate(2000)];
        let mut reminders = Reminders::default();
        let mut spoken = Vec::new();
        // Every ten minutes, as the server looks, beyond the end.
        for step in 0..6 * 24 * 95 {
            let now = start() + TimeDelta::minutes(10 * step);
            for due in reminders.now_due(&certificates, now) {
                assert_eq!(*due, certificates[0]);
                spoken.push(now);
            }
        }
        assert_eq!(spoken.first(), Some(&(start() + TimeDelta::days(2))));
        for pair in spoken.windows(2) {
            assert_eq!(pair[1] - pair[0], TimeDelta::days(1));
        }
        assert_eq!(
            spoken.len(),
            93,
            "on each day until the last that was looked at"
        );

        let mut reminders = Reminders::default();
        let noon = start() + TimeDelta::days(92) - TimeDelta::hours(30);
        assert_eq!(reminders.now_due(&certificates, noon).len(), 1);
        let urgent = noon + TimeDelta::hours(6);
        assert_eq!(reminders.now_due(&certificates, urgent).len(), 1);
        assert!(reminders.now_due(&certificates, urgent).is_empty());
    }

    #[test]
    fn a_certificate_that_was_replaced_is_forgotten() {
        let mut reminders = Reminders::default();
        assert_eq!(reminders.now_due(&[certificate(5)], start()).len(), 1);
        assert!(reminders.now_due(&[], start()).is_empty());
        assert_eq!(reminders.now_due(&[certificate(5)], start()).len(), 1);
    }

    #[test]
    fn the_end_is_said_in_days() {
        for (days, words) in [
            (12, "expires in 12 days, on 2027-01-27."),
            (1, "expires in 1 day, on 2027-01-16."),
            (0, "expired on 2027-01-15."),
            (-3, "expired on 2027-01-12."),
        ] {
            let said = certificate(days).sentence(start());
            assert_eq!(
                said,
                format!("The signing certificate of Contoso 365 {words}")
            );
        }
        let soon = certificate(1).sentence(start() + TimeDelta::hours(1));
        assert!(soon.contains("expires within a day"), "{soon}");
    }
}
