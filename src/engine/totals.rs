//! The totals of one window: a cell per bucket that has received something.

use hashbrown::HashMap;

use super::account::Limits;
use super::shape::Shape;
use crate::core::aggregate::Totals;
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Group};

/// Cells up to which room is made one by one: most of millions of windows have no more.
const FEW: usize = 4;

/// What one bucket has received.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The bucket is not split.
    Whole(Totals),
    /// The bucket is split by its pricing group keys.
    Groups(HashMap<Group, Totals>),
    /// More groups than are kept: the bucket is computed by a scan (specification 1.9).
    TooManyGroups,
}

/// One bucket of one charge.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index of the charge in the plan.
    pub charge: u16,
    /// Which of its buckets.
    pub bucket: Bucket,
    /// What it has received.
    pub content: Content,
}

/// The cells of one window, in ascending order of charge and bucket. A missing cell is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells(pub Vec<Cell>);

impl Cells {
    /// What a bucket has received; none for nothing.
    pub fn get(&self, charge: u16, bucket: Bucket) -> Option<&Content> {
        self.find(charge, bucket).ok().map(|at| &self.0[at].content)
    }

    /// Counts an event in every bucket it belongs to. `buckets` is scratch memory.
    pub fn fold(
        &mut self,
        shape: &Shape,
        code: &str,
        usage: &Usage<'_>,
        limits: &Limits,
        buckets: &mut Buckets,
    ) {
        shape.each(code, usage, buckets, |charge, bucket, keys, fold| {
            let content = self.content(charge, bucket, !keys.is_empty());
            let totals = match content {
                Content::Whole(totals) => totals,
                Content::Groups(groups) => {
                    let group = Group::of(usage.properties, keys);
                    if groups.len() >= limits.groups_soft_max && !groups.contains_key(&group) {
                        *content = Content::TooManyGroups;
                        return;
                    }
                    groups.entry(group).or_default()
                }
                Content::TooManyGroups => return,
            };
            totals.add(fold, usage);
        });
    }

    /// Adds the totals of other events of the same window.
    pub fn merge(&mut self, other: Self, limits: &Limits) {
        for cell in other.0 {
            let content =
                self.content(cell.charge, cell.bucket, !matches!(cell.content, Content::Whole(_)));
            match (&mut *content, cell.content) {
                (Content::Whole(mine), Content::Whole(theirs)) => mine.merge(&theirs),
                (Content::Groups(mine), Content::Groups(theirs)) => {
                    for (group, totals) in theirs {
                        mine.entry(group).or_default().merge(&totals);
                    }
                    if mine.len() > limits.groups_soft_max {
                        *content = Content::TooManyGroups;
                    }
                }
                _ => *content = Content::TooManyGroups,
            }
        }
    }

    fn find(&self, charge: u16, bucket: Bucket) -> Result<usize, usize> {
        self.0.binary_search_by(|cell| (cell.charge, cell.bucket).cmp(&(charge, bucket)))
    }

    fn content(&mut self, charge: u16, bucket: Bucket, split: bool) -> &mut Content {
        let at = self.find(charge, bucket).unwrap_or_else(|at| {
            let content = if split {
                Content::Groups(HashMap::new())
            } else {
                Content::Whole(Totals::default())
            };
            if self.0.len() < FEW {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, Cell { charge, bucket, content });
            at
        });
        &mut self.0[at].content
    }
}
