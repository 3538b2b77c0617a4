//! The records that a bench produces: a pure function of their number, so that what they add up to
//! can be computed without keeping them.

use std::fmt::Write as _;

/// The tenant of all events.
pub const ORGANIZATION: &str = "7f3c1a90-5d1e-4b52-9c0e-2b8a51d0c4e7";
/// Subscriptions of one customer.
const SUBSCRIPTIONS_PER_CUSTOMER: u64 = 10;
/// Event times go round in this many milliseconds before the moment at which the bench began.
const SPREAD_MS: u64 = 60_000;
/// Regions an event may come from; the plan prices the first two on their own.
const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "ap-south-1", "sa-east-1"];
/// Begins the name of every topic, so that a leftover is recognised.
const PREFIX: &str = "odometer_bench";

/// Independent draws for one record.
#[derive(Clone, Copy)]
enum Draw {
    Kind,
    Source,
    Subscription,
    Code,
    Value,
    Transaction,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event of its own.
    Original,
    /// A copy of an earlier event.
    Copy(u64),
    /// Not JSON.
    Bad,
}

/// What is metered; the sums are in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Counted.
    Calls,
    /// Summed.
    Tokens(u64),
    /// Summed.
    Storage(u64),
}

/// The shape of the records.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Records.
    pub events: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Share of records that are copies of earlier ones.
    pub duplicates: f64,
    /// Share of records that are no JSON.
    pub bad: f64,
    /// Exponent of the Zipf distribution of subscriptions.
    pub zipf: f64,
    /// When the bench began, milliseconds since the epoch.
    pub base_ms: i64,
}

impl Workload {
    /// The topic that holds these records; it names all that decides them.
    pub fn topic(&self) -> String {
        let Self { events, subscriptions, partitions, duplicates, bad, zipf, base_ms } = self;
        format!(
            "{PREFIX}-{events}-{subscriptions}-{partitions}-{duplicates}-{bad}-{zipf}-{base_ms}"
        )
    }

    /// The records that a topic of this name holds.
    pub fn from_topic(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split('-').collect();
        let [PREFIX, events, subscriptions, partitions, duplicates, bad, zipf, base_ms] = parts[..]
        else {
            return None;
        };
        Some(Self {
            events: events.parse().ok()?,
            subscriptions: subscriptions.parse().ok()?,
            partitions: partitions.parse().ok()?,
            duplicates: duplicates.parse().ok()?,
            bad: bad.parse().ok()?,
            zipf: zipf.parse().ok()?,
            base_ms: base_ms.parse().ok()?,
        })
    }

    /// What the record with this number is. A copy names the event that it repeats.
    pub fn kind(&self, number: u64) -> Kind {
        let own = self.raw_kind(number);
        let mut copied = own;
        loop {
            match copied {
                Kind::Copy(source) => match self.raw_kind(source) {
                    Kind::Original => return Kind::Copy(source),
                    // A copy of what cannot be copied is sent as an event of its own.
                    Kind::Bad => return Kind::Original,
                    further @ Kind::Copy(_) => copied = further,
                },
                Kind::Original | Kind::Bad => return own,
            }
        }
    }

    fn raw_kind(&self, number: u64) -> Kind {
        let chance = unit(draw(number, Draw::Kind));
        if chance < self.bad {
            Kind::Bad
        } else if chance < self.bad + self.duplicates && number > 0 {
            Kind::Copy(draw(number, Draw::Source) % number)
        } else {
            Kind::Original
        }
    }

    /// The subscription of an event, by Zipf's law: number 0 has the most.
    pub fn subscription(&self, number: u64) -> u64 {
        let chance = unit(draw(number, Draw::Subscription));
        let beyond = (self.subscriptions + 1) as f64;
        let power = 1.0 - self.zipf;
        let rank = if power.abs() < 1e-9 {
            beyond.powf(chance)
        } else {
            (chance * (beyond.powf(power) - 1.0) + 1.0).powf(1.0 / power)
        };
        (rank as u64).clamp(1, self.subscriptions) - 1
    }

    /// What an event meters.
    pub fn measure(number: u64) -> Measure {
        let value = draw(number, Draw::Value) % 10_000;
        match draw(number, Draw::Code) % 10 {
            0..=5 => Measure::Calls,
            6..=8 => Measure::Tokens(value),
            _ => Measure::Storage(value),
        }
    }

    /// The partition that a record goes to: all events of a subscription to the same.
    pub fn partition(&self, subscription: u64) -> i32 {
        i32::try_from(subscription % u64::from(self.partitions.max(1))).unwrap_or(0)
    }

    /// Writes an event in Lago's raw form.
    pub fn write(&self, number: u64, subscription: u64, out: &mut String) {
        let transaction = draw(number, Draw::Transaction);
        let region = REGIONS[(transaction % 4) as usize];
        let (code, name, value) = match Self::measure(number) {
            Measure::Calls => ("api_calls", "value", 100),
            Measure::Tokens(value) => ("tokens", "tokens", value),
            Measure::Storage(value) => ("storage_gb", "gb", value),
        };
        let at = self.base_ms - SPREAD_MS.cast_signed() + (number % SPREAD_MS).cast_signed();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            concat!(
                r#"{{"organization_id":"{}","#,
                r#""external_subscription_id":"{}","transaction_id":"{:016x}-{:016x}","#,
                r#""timestamp":"{}.{:03}","code":"{}","precise_total_amount_cents":"0.0","#,
                r#""properties":{{"{}":"{}.{:02}","region":"{}"}},"#,
                r#""ingested_at":"2026-01-01T00:00:00.000","source":"http_ruby"}}"#
            ),
            ORGANIZATION,
            subscription_id(subscription),
            transaction,
            number,
            at / 1000,
            at % 1000,
            code,
            name,
            value / 100,
            value % 100,
            region,
        );
    }
}

/// External id of a subscription.
pub fn subscription_id(number: u64) -> String {
    format!("sub_{number:08}")
}

/// External id of the customer of a subscription.
pub fn customer_id(subscription: u64) -> String {
    format!("customer_{:08}", subscription / SUBSCRIPTIONS_PER_CUSTOMER)
}

/// Whether a subscription is the first of its customer.
pub fn begins_customer(subscription: u64) -> bool {
    subscription.is_multiple_of(SUBSCRIPTIONS_PER_CUSTOMER)
}

/// SplitMix64: every number gives an independent one.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn draw(number: u64, what: Draw) -> u64 {
    mix(mix(number).wrapping_add(what as u64))
}

/// A number from 0 to 1, without 1.
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload {
            events: 20_000,
            subscriptions: 1000,
            partitions: 4,
            duplicates: 0.02,
            bad: 0.001,
            zipf: 1.0,
            base_ms: 1_763_831_000_123,
        }
    }

    #[test]
    fn a_topic_names_its_records() {
        assert_eq!(Workload::from_topic(&workload().topic()), Some(workload()));
        assert_eq!(Workload::from_topic("events_raw"), None);
    }

    #[test]
    fn copies_repeat_earlier_events() {
        let workload = workload();
        let mut copies = 0;
        for number in 0..workload.events {
            if let Kind::Copy(source) = workload.kind(number) {
                copies += 1;
                assert!(source < number);
                assert_eq!(workload.kind(source), Kind::Original);
            }
        }
        assert!((300..500).contains(&copies), "{copies} copies of 400 wanted");
    }

    #[test]
    fn the_first_subscription_has_the_most() {
        let workload = workload();
        let mut counts = vec![0; 1000];
        for number in 0..workload.events {
            counts[workload.subscription(number) as usize] += 1;
        }
        // Zipf's law over 1000 ranks gives the first about a tenth.
        assert!((1500..2600).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[9] && counts[9] > counts[99]);
    }

    #[test]
    fn events_have_the_usual_size() {
        let mut text = String::new();
        workload().write(12_345, 678, &mut text);
        assert!((335..365).contains(&text.len()), "{} bytes", text.len());
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
