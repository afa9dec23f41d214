//! Variables of the environment in the text of a configuration file.

/// The text with `$VAR` and `${VAR}` replaced, those that are not set by nothing, as Go does it.
pub(super) fn expanded(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = if let Some(inner) = rest.strip_prefix('{') {
            match inner.split_once('}') {
                Some((name, after)) => (name, after),
                None => ("", inner),
            }
        } else if rest.starts_with(|c: char| "*#$@!?-0123456789".contains(c)) {
            rest.split_at(1)
        } else {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            if name.is_empty() {
                out.push('$');
                continue;
            }
            (name, after)
        };
        out.push_str(&variable(name).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}
