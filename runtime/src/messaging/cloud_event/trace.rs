//! The trace that a message is part of, in W3C's form.

/// Where the caller stands in a trace. Empty texts: nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// `traceparent`.
    pub(crate) parent: String,
    /// `tracestate`.
    pub(crate) state: String,
}

impl Trace {
    /// What the headers say; one that is no `traceparent` is none, and nothing without it counts.
    pub(crate) fn of_headers(parent: Option<&[u8]>, state: Option<&[u8]>) -> Self {
        let text = |header: Option<&[u8]>| std::str::from_utf8(header?).ok().map(str::to_owned);
        match text(parent).filter(|parent| is_parent(parent)) {
            Some(parent) => Self { parent, state: text(state).unwrap_or_default() },
            None => Self::default(),
        }
    }

    /// The same of gRPC's own header, `grpc-trace-bin`: a version, and fields of fixed lengths after
    /// their numbers.
    pub(crate) fn of_binary(bytes: &[u8]) -> Option<Self> {
        let [0, 0, rest @ ..] = bytes else { return None };
        let (trace, rest) = rest.split_at_checked(16)?;
        let [1, rest @ ..] = rest else { return None };
        let (span, rest) = rest.split_at_checked(8)?;
        let [2, options, ..] = rest else { return None };
        let trace = u128::from_be_bytes(trace.try_into().ok()?);
        let span = u64::from_be_bytes(span.try_into().ok()?);
        let parent = format!("00-{trace:032x}-{span:016x}-{options:02x}");
        is_parent(&parent).then(|| Self { parent, state: String::new() })
    }
}

/// A `traceparent` in gRPC's own form: each field after its number. One of zeros, which is no trace, has
/// one as well; none where the text has another form.
pub(crate) fn binary_trace(parent: &str) -> Option<[u8; 29]> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let mut form = [0; 29];
    bytes(trace, &mut form[2..18])?;
    form[18] = 1;
    bytes(span, &mut form[19..27])?;
    form[27] = 2;
    bytes(flags, &mut form[28..])?;
    Some(form)
}

fn bytes(digits: &str, into: &mut [u8]) -> Option<()> {
    for (at, byte) in into.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(())
}

/// Whether this is version 00 of a `traceparent`, or begins like one of a later version.
pub(crate) fn is_parent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.len() == length && part.bytes().all(digit)
        })
    };
    let set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let (Some(version), Some(trace), Some(span), Some(_)) = (hex(2), hex(32), hex(16), hex(2))
    else {
        return false;
    };
    version != "ff" && set(trace) && set(span) && (version != "00" || parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_taken_as_it_is_and_anything_else_is_none() {
        let of = |text: &str| Trace::of_headers(Some(text.as_bytes()), Some(b"a=1"));
        assert_eq!(of(PARENT), Trace { parent: PARENT.into(), state: "a=1".into() });
        let zeros = format!("00-{}-{}-00", "0".repeat(32), "0".repeat(16));
        for wrong in ["", "00", &PARENT[..54], &PARENT.to_uppercase(), &zeros] {
            assert_eq!(of(wrong), Trace::default(), "{wrong}");
        }
    }

    #[test]
    fn the_binary_form_says_the_same() {
        let mut bytes = vec![0, 0];
        bytes.extend(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        bytes.push(1);
        bytes.extend(0xb7ad_6b71_6920_3331_u64.to_be_bytes());
        bytes.extend([2, 1]);
        assert_eq!(Trace::of_binary(&bytes).unwrap().parent, PARENT);
        assert_eq!(binary_trace(PARENT).unwrap()[..], bytes);
        assert_eq!(Trace::of_binary(&bytes[..20]), None);
        assert_eq!(binary_trace(""), None);
    }
}
