//! Routes of our own, beside Lago's: stories of events, and usage of many subscriptions at once.

mod story;
mod story_body;
mod usage;
mod usage_body;
mod usage_query;

use self::story_body::STORY;
use self::usage_body::USAGE;
use super::backend::Backend;
use super::openapi::{Operation, Schema, Shape, one, page, query};
use super::route::Routes;
use super::v1::parameters::{self, FILTERS, REFLECTS};

/// Pairs to ask for.
const QUERIES: Shape = Shape::Whole(Schema::Input(
    &["queries"],
    &[(
        "queries",
        Schema::List(&Schema::Input(
            &["external_customer_id"],
            &[("external_customer_id", Schema::Text), ("external_subscription_id", Schema::Text)],
        )),
    )],
));
const ANSWERS: Shape =
    Shape::Whole(Schema::Object(&[("usages", Schema::List(&Schema::Ref(&USAGE)))]));

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let subscription = [query("external_subscription_id", "Its subscription.", Schema::Text)];
    let all = page("customerUsages", "Usage of all active subscriptions.", "usages", &USAGE);
    let many = Operation::new("queryUsages", "Usage of up to 100 subscriptions.", ANSWERS);
    Routes::of("event", "/odometer/v1/events/:transaction_id/story")
        .get(
            story::show,
            one("eventStory", "Why an event counts, or does not.", "story", &STORY)
                .with(&subscription),
        )
        .at("/odometer/v1/customers/:external_customer_id/usage")
        .raw_get(usage::show::<B>, parameters::described(all).with(&FILTERS))
        .at("/odometer/v1/usage/query")
        .raw_post(
            usage_query::query::<B>,
            parameters::described(many).with(&FILTERS).reads(QUERIES).tells(REFLECTS),
        )
}
