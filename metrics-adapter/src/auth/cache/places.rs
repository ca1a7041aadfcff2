//! Who holds how much of a cache.

use std::collections::HashMap;

use crate::auth::fingerprint::Fingerprint;

/// Those who share an account: a question is kept on that of whoever asks.
pub(in crate::auth) type Owner = Fingerprint;

/// A question takes a place for each of these bytes that it has begun.
const BYTES: usize = 512;

/// Places for questions. Nobody is sent away for a newcomer: who polls keeps its places.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    /// One owner's at most.
    share: usize,
    taken: usize,
    by_owner: HashMap<Owner, usize>,
}

impl Places {
    pub(super) fn new(all: usize, share: usize) -> Self {
        Self {
            all,
            share,
            taken: 0,
            by_owner: HashMap::new(),
        }
    }

    /// Takes places for a question of `bytes`, and tells how many, if there are.
    pub(super) fn take(&mut self, owner: Owner, bytes: usize) -> Option<usize> {
        let number = bytes.div_ceil(BYTES).max(1);
        let own = self.by_owner.get(&owner).copied().unwrap_or_default() + number;
        if own > self.share || self.taken + number > self.all {
            return None;
        }
        self.by_owner.insert(owner, own);
        self.taken += number;
        Some(number)
    }

    /// Gives places back.
    pub(super) fn free(&mut self, owner: &Owner, number: usize) {
        self.taken -= number;
        if let Some(own) = self.by_owner.get_mut(owner) {
            *own -= number;
            if *own == 0 {
                self.by_owner.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_owner_takes_more_than_its_share_and_all_no_more_than_there_is() {
        let (a, b, c) = ([1; 32], [2; 32], [3; 32]);
        let mut places = Places::new(5, 2);
        assert_eq!(places.take(a, 0), Some(1));
        assert_eq!(places.take(a, 513), None);
        assert_eq!(places.take(a, 512), Some(1));
        assert_eq!(places.take(a, 1), None);
        assert_eq!(places.take(b, 513), Some(2));
        assert_eq!(places.take(c, 600), None);
        assert_eq!(places.take(c, 100), Some(1));
        places.free(&b, 2);
        assert_eq!(places.take(a, 1), None);
        assert_eq!(places.take(c, 1), Some(1));
        places.free(&a, 1);
        assert_eq!(places.take(a, 1), Some(1));
        for (owner, number) in [(a, 2), (c, 2)] {
            places.free(&owner, number);
        }
        assert!(places.taken == 0 && places.by_owner.is_empty());
    }
}
