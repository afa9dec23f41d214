//! Whether what is written is for eyes that see colours.

use std::io::IsTerminal;

/// Only on a terminal, and not where the user does not want them, as <https://no-color.org> has it.
pub(crate) fn wanted(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
