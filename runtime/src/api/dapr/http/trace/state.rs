//! `tracestate`: what systems on a trace's way have added, as W3C's Trace Context has it.

/// How many members there may be.
const MOST: usize = 32;

/// The longest key and value, in bytes, and the longest parts of a key with a system in it.
const LONGEST: usize = 256;
const LONGEST_TENANT: usize = 241;
const LONGEST_SYSTEM: usize = 14;

/// What is told of a state: its members, one after the other; none where one of them is none, where
/// two have the same key, or where there are too many.
pub(super) fn told(state: &str) -> Option<String> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in state.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let known = members.iter().any(|(known, _)| *known == key);
        if known || members.len() == MOST || !is_key(key) || !is_value(value) {
            return None;
        }
        members.push((key, value));
    }
    let members: Vec<_> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!members.is_empty()).then(|| members.join(","))
}

/// `NAME` or `TENANT@SYSTEM`.
fn is_key(key: &str) -> bool {
    let begins = |part: &str, digits: bool| {
        part.bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || digits && first.is_ascii_digit())
    };
    let fits = |part: &str, most: usize| {
        let of_key = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte)
        };
        part.len() <= most && part.bytes().all(of_key)
    };
    match key.split_once('@') {
        None => begins(key, false) && fits(key, LONGEST),
        Some((tenant, system)) => {
            begins(tenant, true)
                && fits(tenant, LONGEST_TENANT)
                && begins(system, false)
                && fits(system, LONGEST_SYSTEM)
        }
    }
}

/// Something that can be seen, without commas and equals signs; spaces not at its end.
fn is_value(value: &str) -> bool {
    let of_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    !value.is_empty()
        && value.len() <= LONGEST
        && value.bytes().all(of_value)
        && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_where_all_its_members_are_some() {
        for (state, shown) in [
            ("a=b", "a=b"),
            ("a=b\t, c=d", "a=b,c=d"),
            ("a=b,,c=d,", "a=b,c=d"),
            ("1a@b=c", "1a@b=c"),
            ("a*b/c_d-e=f", "a*b/c_d-e=f"),
            ("a=b c", "a=b c"),
        ] {
            assert_eq!(told(state).as_deref(), Some(shown), "{state}");
        }
        for state in ["", "a", "a=", "=b", "A=b", "1a=b", "a=b,a=c", "a=b=c", "a@b@c=d", "a=\u{fc}"]
        {
            assert_eq!(told(state), None, "{state}");
        }
        let many =
            |count: usize| (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
        assert!(told(&many(32)).is_some() && told(&many(33)).is_none());
        let long = |key: usize, value: usize| format!("{}={}", "k".repeat(key), "v".repeat(value));
        assert!(told(&long(256, 256)).is_some());
        assert!(told(&long(257, 1)).is_none() && told(&long(1, 257)).is_none());
    }
}
