//! Several usages at one moment.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Live, Session, tag_text};
use crate::engine::ledger::AccountKey;
use crate::http::backend::{CurrentUsageRequest, Print, UsageAnswer, UsageError};
use crate::runtime::view::Current;

/// What is known of one request before it is answered.
enum Place {
    /// It has no question that could be asked.
    Refused(UsageError),
    /// It is asked as the task of this number, maybe for several requests.
    Task(usize),
}

impl Live {
    /// Current usage of several subscriptions, all at the same "now". What is asked twice about one
    /// account is read once, so that both answers are of one copy of it.
    pub(super) async fn usages_at_once(
        &self,
        session: &Session,
        requests: Vec<CurrentUsageRequest>,
        print: Print,
    ) -> Vec<Result<UsageAnswer, UsageError>> {
        let now = self.shared.clock.now();
        let mut tasks = JoinSet::new();
        let mut asked: Vec<(AccountKey, usize, CurrentUsageRequest)> = Vec::new();
        let mut places = Vec::with_capacity(requests.len());
        for request in requests {
            let mut question = match self.question(session, &request) {
                Ok(question) => question,
                Err(error) => {
                    places.push(Place::Refused(error));
                    continue;
                }
            };
            question.now = Some(now);
            let key = self.usages.account(&question).ok();
            let known = asked.iter().find(|(account, _, other)| {
                Some(*account) == key && asks_the_same(other, &request)
            });
            if let Some((_, task, _)) = known {
                places.push(Place::Task(*task));
                continue;
            }
            let task = tasks.len();
            places.push(Place::Task(task));
            let tags = request.if_none_match.clone();
            asked.extend(key.map(|key| (key, task, request)));
            let usages = Arc::clone(&self.usages);
            tasks.spawn(async move {
                let known = |tag| tags.names(&tag_text(tag));
                (task, usages.answer(&question, known, &Current(print)).await)
            });
        }
        let mut answers = vec![Err(UsageError::Internal); tasks.len()];
        while let Some(joined) = tasks.join_next().await {
            // A task that panicked leaves the defect that stands there already.
            let Ok((task, answered)) = joined else { continue };
            answers[task] = match answered {
                Ok((reflects, body)) => {
                    Ok(UsageAnswer { freshness: self.freshness(&reflects), body })
                }
                Err(refusal) => Err(self.refuse(&refusal)),
            };
        }
        let answer = |place| match place {
            Place::Refused(error) => Err(error),
            Place::Task(task) => answers[task].clone(),
        };
        places.into_iter().map(answer).collect()
    }
}

/// Whether two requests that name one account ask the same of it.
fn asks_the_same(one: &CurrentUsageRequest, other: &CurrentUsageRequest) -> bool {
    let rest = |request: &CurrentUsageRequest| CurrentUsageRequest {
        customer: String::new(),
        subscription: None,
        ..request.clone()
    };
    rest(one) == rest(other)
}
