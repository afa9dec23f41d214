//! Where the keys of commands lie.

use redis::{Arg, Cmd, Pipeline};

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// Commands of one slot; of no slot where none of them has a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) slot: Option<u16>,
    /// Which of the commands they are, in their order.
    pub(super) indices: Vec<usize>,
}

/// The commands parted by their slots. One without a key goes with the one before it: `WAIT` waits for
/// what that has written.
pub(super) fn parts(commands: &Pipeline) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(1);
    let mut latest = 0;
    for (index, command) in commands.cmd_iter().enumerate() {
        let slot = key(command).map(slot);
        let place = match slot {
            None if !parts.is_empty() => latest,
            _ => parts.iter().position(|part| part.slot == slot).unwrap_or(parts.len()),
        };
        match parts.get_mut(place) {
            Some(part) => part.indices.push(index),
            None => parts.push(Part { slot, indices: vec![index] }),
        }
        latest = place;
    }
    parts
}

/// These of the commands.
pub(super) fn pick(commands: &Pipeline, indices: &[usize]) -> Pipeline {
    let mut picked = Pipeline::with_capacity(indices.len());
    let mut wanted = indices.iter().peekable();
    for (index, command) in commands.cmd_iter().enumerate() {
        if wanted.next_if_eq(&&index).is_some() {
            picked.add_command(command.clone());
        }
    }
    picked
}

/// The first key of a command that built-ins send. All keys of one command lie in one slot, or the
/// server refuses it.
pub(super) fn key(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    match words.next()? {
        b"PING" | b"WAIT" | b"INFO" | b"CLUSTER" => None,
        name if name.starts_with(b"FT.") => None,
        b"EVAL" | b"EVALSHA" => words.nth(2),
        b"XGROUP" => words.nth(1),
        // Behind `GROUP`, the group and the consumer, which may be called anything.
        b"XREADGROUP" => words.skip(3).skip_while(|word| *word != b"STREAMS").nth(1),
        _ => words.next(),
    }
}

/// The slot of a key: of what stands between its first braces, where that is something.
pub(super) fn slot(key: &[u8]) -> u16 {
    let position = |of: u8, from: usize| key[from..].iter().position(|byte| *byte == of);
    let tag = position(b'{', 0).and_then(|open| {
        let begin = open + 1;
        position(b'}', begin).filter(|length| *length > 0).map(|length| &key[begin..begin + length])
    });
    checksum(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16 as of XMODEM: the polynomial is 0x1021, and nothing is turned around.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(checksum(b"123456789"), 0x31c3);
        for (key, expected) in [
            ("foo", 12182),
            ("{user1000}.following", slot(b"user1000")),
            ("a{foo}b", 12182),
            ("foo{}{bar}", checksum(b"foo{}{bar}") % SLOTS),
            ("foo{{bar}}zap", slot(b"{bar")),
            ("foo{bar}{zap}", slot(b"bar")),
            ("", 0),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn commands_are_parted_by_their_keys_and_those_without_one_follow() {
        let mut commands = Pipeline::new();
        commands.cmd("EVALSHA").arg("sha").arg(1).arg("foo").arg("value");
        commands.cmd("WAIT").arg(1).arg(1000);
        commands.cmd("XACK").arg("other").arg("group").arg("1-1");
        commands
            .cmd("XREADGROUP")
            .arg("GROUP")
            .arg("STREAMS")
            .arg("STREAMS")
            .arg("STREAMS")
            .arg("foo")
            .arg(">");
        commands.cmd("XGROUP").arg("CREATE").arg("other").arg("g").arg("0");
        let parts = parts(&commands);
        let part = |key: &str, indices: &[usize]| Part {
            slot: Some(slot(key.as_bytes())),
            indices: indices.to_vec(),
        };
        assert_eq!(parts, [part("foo", &[0, 1, 3]), part("other", &[2, 4])]);
        assert_eq!(pick(&commands, &parts[1].indices).len(), 2);
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        assert_eq!(super::parts(&ping), [Part { slot: None, indices: vec![0] }]);
    }
}
