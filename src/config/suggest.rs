//! "Did you mean": the known name that an unknown one was most likely meant to be.

/// Names that share less than this with the unknown one would only mislead.
const LIKENESS_MIN: f64 = 0.6;

/// The candidate most like `unknown`, if any is like enough.
///
/// A candidate whose last part (after the last dot) is the unknown name's last part wins first: the
/// usual slip is a key in the wrong section.
pub fn nearest<'a>(unknown: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &'a str| name.rsplit('.').next();
    let unknown_last = unknown.rsplit('.').next();
    let mut best: Option<(f64, &'a str)> = None;
    for candidate in candidates {
        let mut likeness = strsim::normalized_damerau_levenshtein(unknown, candidate);
        if last(candidate) == unknown_last {
            likeness += 1.0;
        }
        if likeness >= LIKENESS_MIN && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["http.listen", "kafka.brokers", "store.path", "catalog.file"];
        let nearest = |unknown| nearest(unknown, known.into_iter());
        assert_eq!(nearest("kafka.broker"), Some("kafka.brokers"));
        assert_eq!(nearest("kafka.borkers"), Some("kafka.brokers"));
        assert_eq!(nearest("server.listen"), Some("http.listen"));
        assert_eq!(nearest("listen"), Some("http.listen"));
        assert_eq!(nearest("retention.days"), None);
    }
}
