//! All golden cases through one harness.
//!
//! The cases are those of every JSON file in `tests/vectors`, or in the folder that
//! `ODOMETER_VECTORS_DIR` names; the `kind` of a case decides who runs it. A case that does not
//! have the form of `schema.json`, or that its runner does not understand, fails.

#![allow(clippy::disallowed_methods)] // a harness is told by its environment what to run

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::vectors_schema::Schema;
use crate::{
    scenario, vectors_aggregation, vectors_boundaries, vectors_charge_fee,
    vectors_charge_validation, vectors_event_validation, vectors_expression, vectors_filter_match,
    vectors_pricing, vectors_tax,
};

/// Names another folder with cases of the same schema.
const FOLDER: &str = "ODOMETER_VECTORS_DIR";
/// Cases of each kind in `tests/vectors`, at least: a file cut short must not pass.
const CASES_MIN: [(&str, usize); 10] = [
    ("aggregation", 249),
    ("boundaries", 101),
    ("charge_fee", 36),
    ("charge_model", 69),
    ("charge_validation", 161),
    ("event_validation", 42),
    ("expression", 92),
    ("filter_match", 13),
    ("scenario", 113),
    ("tax", 12),
];
/// Kinds in which every case and every expected member is evaluated.
const NEVER_SKIPPED: [&str; 4] = ["scenario", "filter_match", "expression", "tax"];

/// What a case came to.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// What does not hold.
    pub failures: Vec<String>,
    /// Whether the whole case was left out.
    pub is_skipped: bool,
    /// What was left out, each with its reason.
    pub skipped: Vec<String>,
}

impl Verdict {
    /// The verdict on a case that was evaluated as a whole.
    pub const fn of(failures: Vec<String>) -> Self {
        Self { failures, is_skipped: false, skipped: Vec::new() }
    }

    /// A case that was left out.
    pub fn skip(reason: &str) -> Self {
        Self { failures: Vec::new(), is_skipped: true, skipped: vec![reason.to_owned()] }
    }
}

/// `SKIPS.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skips {
    cases: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeMap<String, String>>,
}

impl Skips {
    /// The table of this tree.
    pub fn table() -> &'static Self {
        static TABLE: OnceLock<Skips> = OnceLock::new();
        TABLE.get_or_init(|| {
            let table: Self =
                toml::from_str(include_str!("../vectors/SKIPS.toml")).expect("the table");
            let reasons =
                table.cases.values().chain(table.members.values().flat_map(|m| m.values()));
            assert!(reasons.into_iter().all(|reason| reason.len() > 10), "a skip needs a reason");
            let kinds = table.members.keys().map(String::as_str);
            let cases = table.cases.keys().filter_map(|id| id.rsplit_once('-'));
            for kind in kinds.chain(cases.map(|(kind, _)| kind)) {
                assert!(!NEVER_SKIPPED.contains(&kind), "nothing of {kind} is skipped");
            }
            table
        })
    }

    fn case(&self, id: &str) -> Option<&str> {
        self.cases.get(id).map(String::as_str)
    }

    /// Why an expected member of a kind is not evaluated.
    pub fn member(&self, kind: &str, member: &str) -> Option<&str> {
        self.members.get(kind)?.get(member).map(String::as_str)
    }
}

/// Fails if an object that the schema leaves open has a member that nobody reads.
pub fn only_known(object: &Json, what: &str, known: &[&str]) {
    for name in object.as_object().into_iter().flat_map(serde_json::Map::keys) {
        assert!(known.contains(&name.as_str()), "{what} has the unknown member {name}");
    }
}

/// Runs one kind of cases.
type Runner = fn(&Json) -> Verdict;

/// Who runs a kind without a service.
pub fn runner(kind: &str) -> Option<Runner> {
    Some(match kind {
        "aggregation" => vectors_aggregation::check,
        "boundaries" => vectors_boundaries::check,
        "charge_fee" => vectors_charge_fee::check,
        "charge_model" => vectors_pricing::check,
        "charge_validation" => vectors_charge_validation::check,
        "expression" => vectors_expression::check,
        "filter_match" => vectors_filter_match::check,
        "tax" => vectors_tax::check,
        _ => return None,
    })
}

/// The cases of a folder by kind, in the order of the files and within them.
pub fn load(folder: &Path) -> BTreeMap<String, Vec<Json>> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let is_schema = path.file_name().is_some_and(|name| name == "schema.json");
        path.extension().is_some_and(|extension| extension == "json") && !is_schema
    });
    files.sort();
    assert!(!files.is_empty(), "{} has no cases", folder.display());
    let mut kinds: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases: Vec<Json> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in cases {
            let kind = case["kind"].as_str().unwrap_or("no kind").to_owned();
            kinds.entry(kind).or_default().push(case);
        }
    }
    kinds
}

/// The folder of this tree.
pub fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The schema of this tree.
pub fn schema() -> Schema {
    Schema::parse(include_str!("../vectors/schema.json"))
}

/// A verdict on one case, where a panic is a failure like any other.
pub fn judge(schema: &Schema, case: &Json, run: &mut dyn FnMut(&Json) -> Verdict) -> Verdict {
    if let Some(reason) = Skips::table().case(case["id"].as_str().unwrap_or_default()) {
        return Verdict::skip(reason);
    }
    let problems = schema.problems(case);
    if !problems.is_empty() {
        return Verdict::of(problems);
    }
    catch_unwind(AssertUnwindSafe(|| run(case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Verdict::of(vec![text.unwrap_or_else(|| "it panicked".to_owned())])
    })
}

/// What all cases of a kind came to.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    assertions_skipped: usize,
    notes: String,
    failures: String,
}

impl Tally {
    fn add(&mut self, case: &Json, verdict: &Verdict) {
        let Verdict { failures, is_skipped, skipped } = verdict;
        let counter = match (failures.is_empty(), is_skipped) {
            (false, _) => &mut self.failed,
            (true, true) => &mut self.skipped,
            (true, false) => &mut self.passed,
        };
        *counter += 1;
        self.assertions_skipped += if *is_skipped { 0 } else { skipped.len() };
        let id = case["id"].as_str().unwrap_or("case");
        for reason in skipped {
            writeln!(self.notes, "skipped {id}: {reason}").unwrap();
        }
        for failure in failures {
            writeln!(self.failures, "{id} {}: {failure}", case["name"]).unwrap();
        }
    }
}

#[test]
fn every_case_holds() {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let mut kinds = load(folder.as_deref().unwrap_or(&own_folder()));
    if folder.is_none() {
        for (kind, min) in CASES_MIN {
            let found = kinds.get(kind).map_or(0, Vec::len);
            assert!(found >= min, "{found} cases of {kind}, there were {min}");
        }
        let known = |id: &String| kinds.values().flatten().any(|case| case["id"] == **id);
        assert!(Skips::table().cases.keys().all(known), "a case is skipped that is not there");
    }
    let schema = schema();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut service = scenario::Player::default();
    scenario::order(&mut kinds);
    for (kind, cases) in &kinds {
        let tally = tallies.entry(kind.clone()).or_default();
        for case in cases {
            let mut verdict = match (runner(kind), kind.as_str()) {
                (Some(mut run), _) => judge(&schema, case, &mut run),
                (None, "scenario") => judge(&schema, case, &mut |case| service.play(case)),
                (None, "event_validation") => judge(&schema, case, &mut |case| {
                    vectors_event_validation::check(&mut service, case)
                }),
                (None, other) => Verdict::of(vec![format!("nobody runs cases of kind {other}")]),
            };
            if kind == "expression" {
                let asked =
                    judge(&schema, case, &mut |case| vectors_expression::asked(&mut service, case));
                verdict.failures.extend(asked.failures);
                verdict.skipped.extend(asked.skipped);
            }
            tally.add(case, &verdict);
        }
    }
    let again = service.read_again();
    let text = report(&tallies);
    print!("{text}");
    let failures: String = tallies.values().map(|tally| tally.failures.as_str()).collect();
    assert!(failures.is_empty() && again.is_empty(), "\n{failures}{}", again.join("\n"));
}

/// One line per kind, one per thing left out, and a last line for machines, which is also written
/// to a file.
fn report(tallies: &BTreeMap<String, Tally>) -> String {
    let mut text = String::new();
    let mut summary = serde_json::Map::new();
    for (kind, tally) in tallies {
        let Tally { passed, failed, skipped, assertions_skipped, .. } = tally;
        writeln!(text, "{kind}: {passed}/{failed}/{skipped}").unwrap();
        if *assertions_skipped > 0 {
            writeln!(text, "{kind}: {assertions_skipped} assertions skipped").unwrap();
        }
        let counts = json!({
            "passed": passed, "failed": failed, "skipped": skipped,
            "assertions_skipped": assertions_skipped,
        });
        summary.insert(kind.clone(), counts);
    }
    let mut notes: Vec<&str> = tallies.values().flat_map(|tally| tally.notes.lines()).collect();
    notes.dedup();
    for note in notes {
        writeln!(text, "{note}").unwrap();
    }
    let summary = Json::Object(summary).to_string();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors.json");
    std::fs::write(&file, &summary).unwrap();
    writeln!(text, "summary ({}):\n{summary}", file.display()).unwrap();
    text
}

mod tests {
    use serde_json::json;

    use super::{Verdict, judge, only_known, runner, schema};

    #[test]
    fn what_nobody_understands_fails() {
        let schema = schema();
        let mut case = json!({
            "id": "aggregation-00000000", "kind": "aggregation", "name": "n",
            "source": "observed here", "family": "rounding", "operation": "round_units",
            "billable_metric": {"aggregation_type": "sum_agg"}, "units": 1,
            "expect": {"assertions": [{"path": ["units"], "op": "equals", "value": 1}]},
        });
        let mut run = runner("aggregation").unwrap();
        assert_eq!(judge(&schema, &case, &mut run), Verdict::default());
        case["operation"] = json!("round_up");
        assert!(!judge(&schema, &case, &mut run).failures.is_empty());
        case["operation"] = json!("round_units");
        case["unheard_of"] = json!(1);
        assert!(!judge(&schema, &case, &mut run).failures.is_empty());
        assert!(runner("unheard_of").is_none());
        let open = std::panic::catch_unwind(|| only_known(&json!({"a": 1}), "it", &["b"]));
        assert!(open.is_err());
    }
}
