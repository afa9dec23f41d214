//! What differs from run to run by its nature, replaced by its name.

/// What is one sidecar's own: its ports and its folder.
#[derive(Debug, Default)]
pub(super) struct Mask {
    own: Vec<(&'static str, String)>,
}

/// daprd's features, in the order of replug and in the other: daprd has none.
const FEATURES: [&str; 2] = [
    "\"HotReload\",\"WorkflowsRemoteActivityReminder\"",
    "\"WorkflowsRemoteActivityReminder\",\"HotReload\"",
];

// === impl Mask ===

impl Mask {
    /// Has a text shown as that name.
    pub(super) fn own(&mut self, name: &'static str, text: &str) {
        self.own.push((name, text.to_owned()));
    }

    /// The text without what is the sidecar's own, ids and dates.
    pub(super) fn hide(&self, text: &str) -> String {
        // Ids first: they may have a port's digits in them.
        let mut hidden = versions(&dates(&uuids(text)));
        for (name, own) in &self.own {
            hidden = hidden.replace(own.as_str(), &format!("<{name}>"));
        }
        hidden.replace(FEATURES[1], FEATURES[0])
    }
}

/// The sidecar's version, where metadata tell it.
fn versions(text: &str) -> String {
    const BEFORE: &str = "untimeVersion\":\"";
    let mut parts = text.split(BEFORE);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find('"').map_or("", |end| &part[end..]);
        hidden.push_str(BEFORE);
        hidden.push_str("<version>");
        hidden.push_str(rest);
    }
    hidden
}

/// UUIDs in their usual form.
fn uuids(text: &str) -> String {
    replaced(text, "<uuid>", |rest| {
        let shape = rest.get(..36)?;
        let fits = shape.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        fits.then_some(36)
    })
}

/// Dates and times of RFC 3339.
fn dates(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    replaced(text, "<date>", |rest| {
        let start = rest.get(..SHAPE.len())?;
        let fits = start.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
        let rest = fits.then(|| &rest[SHAPE.len()..])?;
        let fraction = match rest.strip_prefix('.') {
            Some(digits) => 1 + digits.bytes().take_while(u8::is_ascii_digit).count(),
            None => 0,
        };
        let zone = match rest.as_bytes().get(fraction) {
            Some(b'Z') => 1,
            Some(b'+' | b'-') => 6,
            _ => 0,
        };
        Some((SHAPE.len() + fraction + zone).min(SHAPE.len() + rest.len()))
    })
}

/// The text with a name wherever `fits` says how many bytes of the rest are to be hidden.
fn replaced(text: &str, name: &str, fits: impl Fn(&str) -> Option<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(length) = fits(rest).filter(|length| rest.is_char_boundary(*length)) {
            out.push_str(name);
            rest = &rest[length..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_its_nature_is_named() {
        let mut mask = Mask::default();
        mask.own("http", "34567");
        for (text, hidden) in [
            ("127.0.0.1:34567", "127.0.0.1:<http>"),
            ("20c103b2-64f4-4772-abd8-8719f08a5f31", "<uuid>"),
            ("20c103b2-64f4-4772-abd8-8719f0834567", "<uuid>"),
            (r#"{"t":"2026-11-28T10:53:48.255Z"}"#, r#"{"t":"<date>"}"#),
            ("2026-11-28T10:53:48+01:00 on", "<date> on"),
            ("at 2026-11-28T10:53:48", "at <date>"),
            ("20c103b2-64f4", "20c103b2-64f4"),
            (r#"{"runtimeVersion":"1.18.1","a":1}"#, r#"{"runtimeVersion":"<version>","a":1}"#),
            ("münchen", "münchen"),
        ] {
            assert_eq!(mask.hide(text), hidden, "{text}");
        }
    }
}
