//! Where our defaults are not prometheus-adapter's.

/// A default of our own.
pub(super) struct Difference {
    pub(super) flag: &'static str,
    pub(super) theirs: &'static str,
    pub(super) ours: &'static str,
    pub(super) reason: &'static str,
}

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[Difference {
    flag: "prometheus-verb",
    theirs: "GET",
    ours: "POST",
    reason: "a long query in a URL is refused by some servers and proxies",
}];
