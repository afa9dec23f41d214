//! The trace that a message is part of, in W3C's form.

use data_encoding::HEXLOWER_PERMISSIVE;

/// The version that is none.
const NO_VERSION: u8 = 0xff;

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
/// one as well, and digits may be capitals; none where the text has another form.
pub(crate) fn binary_trace(parent: &str) -> Option<[u8; 29]> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [version] = bytes(version)?;
    if version == NO_VERSION || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let (trace, span, flags) = (bytes::<16>(trace)?, bytes::<8>(span)?, bytes::<1>(flags)?);
    let form = [&[0, 0], &trace[..], &[1], &span, &[2], &flags].concat();
    form.try_into().ok()
}

/// So many bytes, of which nothing but the hexadecimal digits stands there.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
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
    }

    #[test]
    fn what_is_no_traceparent_has_no_binary_form() {
        let zeros = format!("00-{}-{}-00", "0".repeat(32), "0".repeat(16));
        let later = PARENT.replacen("00", "cc", 1) + "-more";
        for right in [PARENT, &PARENT.to_uppercase(), &zeros, &later] {
            assert!(binary_trace(right).is_some(), "{right}");
        }
        let with = |part: &str, other: &str| PARENT.replacen(part, other, 1);
        for wrong in [
            String::new(),
            "00".into(),
            PARENT[..53].into(),
            format!("{PARENT}-more"),
            with("00-", "ff-"),
            with("00-", "+0-"),
            with("00-", "zz-"),
            with("-0af7", "-+af7"),
            with("-b7", "-+b"),
            with("-01", "-+1"),
            with("-0af7", "-0äf"),
        ] {
            assert_eq!(binary_trace(&wrong), None, "{wrong}");
        }
    }
}
