//! Who calls, and those who called lately by way of the front proxy.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use http::{HeaderMap, HeaderName, HeaderValue};
use lru::LruCache;

use super::cache::Owner;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use crate::model::review::UserInfo;

/// Callers that are remembered. The HPA controller is one; its credential's identifier changes
/// about once an hour.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(64) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

/// What the name of a service account begins with; namespace and name follow.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// A caller whom somebody vouches for.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) user: Arc<UserInfo>,
    /// Of every field of the user.
    pub(super) fingerprint: Fingerprint,
    /// On whose account its questions are kept.
    pub(super) owner: Owner,
}

impl Caller {
    /// Adds `system:authenticated`, except to those whom an authenticator already put on one side
    /// (the front proxy forwards anonymous callers as well).
    pub(super) fn known(mut user: UserInfo) -> Self {
        let placed = user
            .groups
            .iter()
            .any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
        if !placed && user.name != ANONYMOUS {
            user.groups.push(AUTHENTICATED.to_owned());
        }
        Self::of(user)
    }

    pub(super) fn anonymous() -> Self {
        Self::of(UserInfo {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..UserInfo::default()
        })
    }

    fn of(user: UserInfo) -> Self {
        let mut key = Fingerprinter::default()
            .field(&user.name)
            .field(&user.uid)
            .list(user.groups.iter())
            .count(user.extra.len());
        for (name, values) in &user.extra {
            key = key.field(name).list(values.iter());
        }
        Self {
            fingerprint: key.finish(),
            owner: Fingerprinter::default().field(owner(&user.name)).finish(),
            user: Arc::new(user),
        }
    }

    /// Bytes of the user's texts.
    pub(super) fn size(&self) -> usize {
        let extra = self.user.extra.iter();
        let extra = extra.flat_map(|(name, values)| values.iter().chain([name]));
        let texts = [&self.user.name, &self.user.uid].into_iter();
        texts
            .chain(&self.user.groups)
            .chain(extra)
            .map(String::len)
            .sum()
    }
}

/// A user's name, or the namespace of a service account: who may make one there may make many, and
/// many tokens for each.
fn owner(name: &str) -> &str {
    match name.strip_prefix(SERVICE_ACCOUNT) {
        Some(rest) => rest
            .find(':')
            .map_or(name, |namespace| &name[..SERVICE_ACCOUNT.len() + namespace]),
        None => name,
    }
}

/// Callers by the headers that name them, the least recently used one leaving first.
#[derive(Debug)]
pub(super) struct Callers {
    hasher: RandomState,
    /// By a hash of the headers.
    known: Mutex<LruCache<u64, Known>>,
}

/// A caller, and all headers that named it. Copies: a header's value may share the memory of all
/// that was received with it.
#[derive(Debug)]
struct Known {
    headers: Vec<(String, Vec<u8>)>,
    caller: Arc<Caller>,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            known: Mutex::new(LruCache::sparse(REMEMBERED)),
        }
    }
}

impl Callers {
    /// The caller whom those of the headers name that are naming: remembered, or by `make`, which
    /// may find nobody.
    pub(super) fn get<E>(
        &self,
        headers: &HeaderMap,
        is_naming: impl Fn(&HeaderName) -> bool,
        make: impl FnOnce() -> Result<Option<Caller>, E>,
    ) -> Result<Option<Arc<Caller>>, E> {
        let naming = || headers.iter().filter(|(name, _)| is_naming(name));
        let mut hasher = self.hasher.build_hasher();
        for (name, value) in naming() {
            name.as_str().hash(&mut hasher);
            value.as_bytes().hash(&mut hasher);
        }
        let hash = hasher.finish();
        if let Some(known) = self.lock().get(&hash)
            && known.is_named_by(naming())
        {
            return Ok(Some(Arc::clone(&known.caller)));
        }
        let Some(caller) = make()?.map(Arc::new) else {
            return Ok(None);
        };
        let copy = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let known = Known {
            headers: naming().map(copy).collect(),
            caller: Arc::clone(&caller),
        };
        self.lock().put(hash, known);
        Ok(Some(caller))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Known>> {
        // Nothing under this lock leaves the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_named_by<'a>(
        &self,
        mut headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    ) -> bool {
        let mut same = self.headers.iter().map(|(known_name, known_value)| {
            headers.next().is_some_and(|(name, value)| {
                name.as_str() == known_name && value.as_bytes() == known_value
            })
        });
        same.all(|same| same) && headers.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_of_a_namespace_share_an_account() {
        for (name, expected) in [
            ("alice", "alice"),
            ("system:anonymous", "system:anonymous"),
            ("system:serviceaccount:shop:a", "system:serviceaccount:shop"),
            ("system:serviceaccount:shop:b", "system:serviceaccount:shop"),
            ("system:serviceaccount:shop", "system:serviceaccount:shop"),
        ] {
            assert_eq!(owner(name), expected);
        }
    }
}
