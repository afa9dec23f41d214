//! What Go's HTTP server says of a head that it refuses, where that is more than the status.

/// A version that Go's server has no answers in.
const VERSION: &str = "505 HTTP Version Not Supported: unsupported protocol version";

/// The status of a refusal as its first line tells it, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) status: &'static str,
    pub(super) text: &'static str,
}

/// A name and a value.
type Field = (Vec<u8>, Vec<u8>);

/// The words for this head, in the order in which Go looks at one; none: there are none but the
/// status. One that is not whole was refused for its first line.
pub(super) fn words(head: &[u8]) -> Option<Words> {
    let both = |text| Some(Words { status: text, text });
    let end = head.windows(2).position(|two| two == b"\n\n");
    let end = end.or_else(|| head.windows(4).position(|four| four == b"\r\n\r\n"));
    let mut lines = head[..end.unwrap_or(head.len())].split(|byte| *byte == b'\n');
    let [major, minor] = version(without_end(lines.next()?))?;
    if end.is_none() {
        return if major == b'1' { None } else { both(VERSION) };
    }
    let fields = fields(lines)?;
    let values = |name: &str| {
        let of_name = fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes()));
        of_name.map(|(_, value)| value.as_slice()).collect::<Vec<_>>()
    };
    let encodings = values("transfer-encoding");
    let is_newer = (major, minor) >= (b'1', b'1');
    if is_newer && !encodings.is_empty() && !is_chunked(&encodings) {
        let text = "Unsupported transfer encoding";
        return Some(Words { status: "501 Not Implemented", text });
    }
    if major != b'1' {
        return both(VERSION);
    }
    match values("host").as_slice() {
        [] if is_newer => return both("400 Bad Request: missing required Host header"),
        [host] if !host.iter().all(|byte| is_of_host(*byte)) => {
            return both("400 Bad Request: malformed Host header");
        }
        [_, _, ..] => return None,
        _ => {}
    }
    let spaced = fields.iter().any(|(name, _)| name.contains(&b' '));
    if spaced { both("400 Bad Request: invalid header name") } else { None }
}

/// Whether a byte may stand in a host.
pub(in crate::api) fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=@[]_~".contains(&byte)
}

fn is_chunked(encodings: &[&[u8]]) -> bool {
    matches!(encodings, [only] if only.eq_ignore_ascii_case(b"chunked"))
}

/// The two digits of the version that a request line ends in; none: it has none.
fn version(line: &[u8]) -> Option<[u8; 2]> {
    match line.splitn(3, |byte| *byte == b' ').nth(2)?.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some([*major, *minor]),
        _ => None,
    }
}

/// The fields of a head, those over several lines as one; none: a line is no field. A name may have
/// spaces in it until somebody looks at it.
fn fields<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Option<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    for line in lines.map(without_end) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = fields.last_mut()?;
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| *byte == b' ' || is_of_name(*byte)) {
            return None;
        }
        fields.push((name.to_vec(), value.to_vec()));
    }
    Some(fields)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A line without the carriage return that it may end in.
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_thing_that_go_looks_at_is_told() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", "400 Bad Request: invalid header name"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nX-Y : z\r\n\r\n",
                "400 Bad Request: invalid header name",
            ),
            ("GET / HTTP/1.1\nHost: a\nX Y: z\n\n", "400 Bad Request: invalid header name"),
            ("GET / HTTP/1.1\r\nX Y: z\r\n\r\n", "400 Bad Request: missing required Host header"),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "400 Bad Request: malformed Host header"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented"),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", VERSION),
            ("GET / HTTP/2.0\r\nHost", VERSION),
        ] {
            assert_eq!(words(head.as_bytes()).map(|it| it.status), Some(status), "{head}");
        }
        for head in [
            "GET / HTTP/3\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX\u{fc}: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nX Y: z\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(words(head.as_bytes()), None, "{head}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_words_or_none(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = words(&head);
            let _ = words(&[b"GET / HTTP/1.1\r\n", head.as_slice(), b"\r\n\r\n"].concat());
        }
    }
}
