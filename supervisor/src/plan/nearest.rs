//! The name that was probably meant.

/// The one of `names` that `written` is most likely a slip of; none where nothing comes close.
pub(crate) fn nearest<'n>(
    written: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // One slip in three letters: more, and two short names that mean different things are "near".
    let allowed = (written.chars().count() / 3).max(1);
    let written = written.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_name_and_another_word_does_not() {
        let names = ["restart", "command", "cwd"];
        assert_eq!(nearest("restrat", names), Some("restart"));
        assert_eq!(nearest("Command", names), Some("command"));
        assert_eq!(nearest("commands", names), Some("command"));
        assert_eq!(nearest("cmd", names), Some("cwd"));
        assert_eq!(nearest("health", names), None);
        assert_eq!(nearest("", names), None);
    }
}
