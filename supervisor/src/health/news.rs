//! What becomes of one question after the other: failures in a row, and what of that is news.

use std::fmt;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// replug, over the link: the contract's Ping, or what stands for it.
    Link,
    /// The probe that the plan declares.
    Probe,
    /// Nobody: the plugin is to say by itself, in time, that it is alive.
    Watchdog,
}

/// What the answers so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The last answer was good.
    Well,
    /// Some answers were not good, too few to count.
    Failing,
    /// It counts as hung.
    Hung,
}

/// News of a plugin's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Who asked.
    pub by: By,
    /// What the answers amount to.
    pub verdict: Verdict,
    /// Failures in a row that count.
    pub failures: u32,
    /// What came instead of the last answer; empty where it was good.
    pub reason: String,
}

/// Counts failures in a row, and tells what is news.
#[derive(Debug)]
pub(crate) struct Tally {
    by: By,
    /// So many in a row make it hung.
    limit: u32,
    in_a_row: u32,
    passed: bool,
    told: Option<News>,
}

// === impl Tally ===

impl Tally {
    pub(crate) fn new(by: By, limit: u32) -> Self {
        Self { by, limit, in_a_row: 0, passed: false, told: None }
    }

    /// An answer was good.
    pub(crate) fn passed(&mut self) -> Option<News> {
        self.passed = true;
        self.in_a_row = 0;
        self.news(Verdict::Well, String::new())
    }

    /// An answer was not good, or there was none.
    pub(crate) fn failed(&mut self, reason: String) -> Option<News> {
        // Beyond the limit it is hung, and the number of questions since is no news.
        self.in_a_row = (self.in_a_row + 1).min(self.limit);
        let verdict = if self.has_hung() { Verdict::Hung } else { Verdict::Failing };
        self.news(verdict, reason)
    }

    /// An answer was not good, at a time when that does not count.
    pub(crate) fn excused(&mut self, reason: String) -> Option<News> {
        self.news(Verdict::Failing, reason)
    }

    /// Whether no failure counts at present.
    pub(crate) fn is_well(&self) -> bool {
        self.in_a_row == 0
    }

    /// Whether there was a good answer ever.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed
    }

    /// Whether it counts as hung.
    pub(crate) fn has_hung(&self) -> bool {
        self.in_a_row >= self.limit
    }

    fn news(&mut self, verdict: Verdict, reason: String) -> Option<News> {
        let news = News { by: self.by, verdict, failures: self.in_a_row, reason };
        if self.told.as_ref() == Some(&news) {
            return None;
        }
        self.told = Some(news.clone());
        Some(news)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "link",
            Self::Probe => "probe",
            Self::Watchdog => "watchdog",
        })
    }
}

impl fmt::Display for News {
    /// What is wrong, as it is said of the plugin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, verdict, failures, reason } = self;
        match (verdict, by) {
            (Verdict::Well, _) => f.write_str("answers"),
            (Verdict::Failing, By::Probe) => write!(f, "its probe fails: {reason}"),
            (Verdict::Failing, _) => f.write_str(reason),
            (Verdict::Hung, By::Link) => {
                write!(f, "hangs: asked {failures} times whether it is alive, it {reason}")
            }
            (Verdict::Hung, By::Probe) => {
                write!(f, "is unhealthy: its probe failed {failures} times in a row: {reason}")
            }
            (Verdict::Hung, By::Watchdog) => write!(f, "hangs: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(news: Option<News>) -> Option<(Verdict, u32)> {
        news.map(|news| (news.verdict, news.failures))
    }

    #[test]
    fn only_what_changes_is_news() {
        let mut tally = Tally::new(By::Probe, 2);
        assert_eq!(verdict(tally.excused("a".into())), Some((Verdict::Failing, 0)));
        assert_eq!(verdict(tally.excused("a".into())), None);
        assert_eq!(verdict(tally.passed()), Some((Verdict::Well, 0)));
        assert_eq!(verdict(tally.passed()), None);
        assert_eq!(verdict(tally.failed("a".into())), Some((Verdict::Failing, 1)));
        assert_eq!(verdict(tally.failed("a".into())), Some((Verdict::Hung, 2)));
        assert_eq!(verdict(tally.failed("a".into())), None);
        assert_eq!(verdict(tally.failed("b".into())), Some((Verdict::Hung, 2)));
        assert_eq!(verdict(tally.passed()), Some((Verdict::Well, 0)));
        assert!(tally.is_well() && tally.has_passed() && !tally.has_hung());
    }
}
