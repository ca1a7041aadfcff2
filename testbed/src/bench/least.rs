//! How many queries polls need at least, whatever asks them. Law: pure.

use std::time::Duration;

/// A poll: the namespace and the metric that it asks for, and when.
pub(crate) type Poll = ((usize, usize), Duration);

/// The queries from `since` on, if each key's first one is made with its first poll, each other one
/// with the first poll for which the answer before is older than `good`: none can be made later, so
/// no fewer serve all polls.
pub(crate) fn least(mut polls: Vec<Poll>, good: Duration, since: Duration) -> usize {
    polls.sort_unstable();
    let mut asked: Option<Poll> = None;
    let mut queries = 0;
    for (key, at) in polls {
        if asked.is_some_and(|(last, when)| last == key && at <= when + good) {
            continue;
        }
        asked = Some((key, at));
        queries += usize::from(at >= since);
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_serves_its_key_while_it_is_good() {
        let seconds = Duration::from_secs;
        let polls = [(1, 0), (2, 3), (1, 5), (1, 6), (1, 11), (1, 12), (2, 9)];
        let polls = polls.map(|(metric, at)| ((0, metric), seconds(at)));
        let least = |since| least(polls.to_vec(), seconds(5), seconds(since));
        assert_eq!(least(0), 5, "at 0, 6 and 12; at 3 and 9");
        assert_eq!((least(6), least(7), least(13)), (3, 2, 0));
    }
}
