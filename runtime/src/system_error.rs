//! What the system says of a file, in the words of Dapr's language.

use std::io;

/// What the system has said, without its number and beginning small, as Go tells it.
pub(crate) fn in_go(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_has_no_number_and_no_capital() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(in_go(&error), "no such file or directory");
        assert_eq!(in_go(&io::Error::other("it is no file")), "it is no file");
    }
}
