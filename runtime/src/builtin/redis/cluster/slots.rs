//! Who has which slots, as a node tells it.

use redis::Value;

use crate::builtin::redis::settings::Address;

/// The whole of it. Slots that nobody has are left out.
pub(super) struct Slots {
    /// In the order of their slots, which do not overlap.
    ranges: Vec<Range>,
}

struct Range {
    first: u16,
    last: u16,
    master: Address,
    replicas: Vec<Address>,
}

impl Slots {
    /// What `CLUSTER SLOTS` answers, said by the node at `told_by`. None: it is no such answer, or
    /// nobody has a slot.
    pub(super) fn read(answer: Value, told_by: &Address) -> Option<Self> {
        let Value::Array(list) = answer else {
            return None;
        };
        let mut ranges: Vec<Range> =
            list.into_iter().filter_map(|range| Range::read(range, told_by)).collect();
        ranges.sort_by_key(|range| range.first);
        (!ranges.is_empty()).then_some(Self { ranges })
    }

    pub(super) fn master(&self, slot: u16) -> Option<&Address> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(&range.master)
    }

    /// One of the masters, another for each `turn`.
    pub(super) fn any_master(&self, turn: usize) -> Option<&Address> {
        self.ranges.get(turn % self.ranges.len().max(1)).map(|range| &range.master)
    }

    pub(super) fn fewest_replicas(&self) -> usize {
        self.ranges.iter().map(|range| range.replicas.len()).min().unwrap_or(0)
    }

    /// Every node, some of them several times.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Address> {
        self.ranges.iter().flat_map(|range| range.replicas.iter().chain([&range.master]))
    }

    pub(super) fn has(&self, address: &Address) -> bool {
        self.nodes().any(|node| node == address)
    }
}

impl Range {
    fn read(range: Value, told_by: &Address) -> Option<Self> {
        let Value::Array(parts) = range else {
            return None;
        };
        let mut parts = parts.into_iter();
        let (Some(Value::Int(first)), Some(Value::Int(last))) = (parts.next(), parts.next()) else {
            return None;
        };
        let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
        let mut nodes = parts.filter_map(|node| read_node(&node, told_by));
        let master = nodes.next()?;
        Some(Self { first, last, master, replicas: nodes.collect() })
    }
}

fn read_node(node: &Value, told_by: &Address) -> Option<Address> {
    let Value::Array(parts) = node else {
        return None;
    };
    let [host, Value::Int(port), ..] = &parts[..] else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
        _ => String::new(),
    };
    // A node that does not know its own name is where it was asked.
    let host = match (host.as_str(), told_by) {
        ("" | "?", Address::Tcp(host, _)) => host.clone(),
        ("" | "?", Address::Unix(_)) => return None,
        _ => host,
    };
    Some(Address::Tcp(host, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)])
    }

    #[test]
    fn a_slot_is_found_in_its_range_and_no_name_is_that_of_who_was_asked() {
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let answer = Value::Array(vec![
            range(8000, 16383, vec![node("b", 2), node("c", 3)]),
            range(0, 4000, vec![node("", 1), node("c", 4)]),
        ]);
        let here = Address::Tcp("here".into(), 9);
        let slots = Slots::read(answer, &here).unwrap();
        let tcp = |host: &str, port| Address::Tcp(host.into(), port);
        for (slot, expected) in [
            (0, Some(tcp("here", 1))),
            (4000, Some(tcp("here", 1))),
            (4001, None),
            (7999, None),
            (8000, Some(tcp("b", 2))),
            (16383, Some(tcp("b", 2))),
        ] {
            assert_eq!(slots.master(slot), expected.as_ref(), "{slot}");
        }
        assert_eq!(slots.fewest_replicas(), 1);
        assert!(slots.has(&tcp("c", 4)) && !slots.has(&here));
        assert!(Slots::read(Value::Array(Vec::new()), &here).is_none());
    }
}
