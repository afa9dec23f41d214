//! What nodes refuse because it is not theirs to do, or not now, and where it is to be sent instead.

use redis::{Cmd, Pipeline, ServerError, Value};

use super::keys;
use crate::builtin::redis::settings::Address;

/// Another node.
pub(super) struct Redirect {
    pub(super) address: Address,
    /// Whether it has the key only for who says that he was sent there.
    pub(super) asking: bool,
}

/// What is to be done with commands that were refused.
pub(super) enum Next {
    /// They are sent there.
    Go(Redirect),
    /// They are sent later, to whoever has the slot by then.
    Later,
}

/// Commands of one slot, and the answers that there are so far.
pub(super) struct Unanswered<'a> {
    all: &'a Pipeline,
    answers: Vec<Value>,
    /// Which commands are to be sent (again).
    open: Vec<usize>,
}

impl<'a> Unanswered<'a> {
    pub(super) fn new(all: &'a Pipeline) -> Self {
        let (answers, open) = (vec![Value::Nil; all.len()], (0..all.len()).collect());
        Self { all, answers, open }
    }

    /// What is to be sent, and to who has a key only for who asks for it.
    pub(super) fn commands(&self, asking: bool) -> std::borrow::Cow<'a, Pipeline> {
        if self.open.len() == self.all.len() && !asking {
            return std::borrow::Cow::Borrowed(self.all);
        }
        let picked = keys::pick(self.all, &self.open);
        if !asking {
            return std::borrow::Cow::Owned(picked);
        }
        let mut commands = Pipeline::with_capacity(2 * picked.len());
        for command in picked.cmd_iter() {
            // It counts for the next command alone.
            commands.cmd("ASKING").add_command(command.clone());
        }
        std::borrow::Cow::Owned(commands)
    }

    /// Takes what the node at `from` has answered. None: everything is answered.
    pub(super) fn take(
        &mut self,
        answers: Vec<Value>,
        asking: bool,
        from: &Address,
    ) -> Option<Next> {
        let (skip, step) = if asking { (1, 2) } else { (0, 1) };
        let answers = answers.into_iter().skip(skip).step_by(step);
        let (mut next, mut still, mut refused) = (None, Vec::new(), false);
        let commands: Vec<&Cmd> = self.all.cmd_iter().collect();
        for (index, answer) in std::mem::take(&mut self.open).into_iter().zip(answers) {
            // One without a key goes with the one before it.
            if keys::key(commands[index]).is_some() || !refused {
                let why = match &answer {
                    Value::ServerError(error) => refusal(error, from),
                    _ => None,
                };
                refused = why.is_some();
                next = next.or(why);
            }
            self.answers[index] = answer;
            if refused {
                still.push(index);
            }
        }
        self.open = still;
        next
    }

    /// Everything that was answered, refusals included.
    pub(super) fn answers(self) -> Vec<Value> {
        self.answers
    }
}

/// What an error says of where else, or when, to ask. None: the command was done, or cannot be done.
fn refusal(error: &ServerError, from: &Address) -> Option<Next> {
    match error.code() {
        code @ ("MOVED" | "ASK") => {
            let place = error.details().and_then(|details| details.split_whitespace().nth(1));
            // One that names no place is asked about again.
            Some(place.and_then(|place| address(place, from)).map_or(Next::Later, |address| {
                Next::Go(Redirect { address, asking: code == "ASK" })
            }))
        }
        "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN" | "READONLY" => Some(Next::Later),
        _ => None,
    }
}

/// An IPv6 address stands here without brackets; without a host, it is the same one.
fn address(place: &str, from: &Address) -> Option<Address> {
    let (host, port) = place.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match (host, from) {
        ("", Address::Tcp(host, _)) => Some(Address::Tcp(host.clone(), port)),
        ("", Address::Unix(_)) => None,
        _ => Some(Address::Tcp(host.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, details: &str) -> Value {
        let line = format!("-{code} {details}\r\n");
        redis::parse_redis_value(line.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_was_refused_is_sent_again_and_what_waits_for_it() {
        let here = Address::Tcp("here".into(), 1);
        let mut commands = Pipeline::new();
        commands.cmd("INCR").arg("a").cmd("EXPIRE").arg("a").arg(9).cmd("WAIT").arg(1).arg(9);
        let mut unanswered = Unanswered::new(&commands);
        assert_eq!(unanswered.commands(false).len(), 3);
        let answers = vec![Value::Int(5), error("MOVED", "7 there:2"), Value::Int(0)];
        let next = unanswered.take(answers, false, &here);
        let Some(Next::Go(Redirect { address, asking: false })) = next else { panic!("moved") };
        assert_eq!(address, Address::Tcp("there".into(), 2));

        assert_eq!(unanswered.commands(false).len(), 2);
        let ask = vec![error("ASK", "7 :3"), Value::Int(0)];
        let next = unanswered.take(ask, false, &here);
        let Some(Next::Go(Redirect { address, asking: true })) = next else { panic!("ask") };
        assert_eq!(address, Address::Tcp("here".into(), 3));

        assert_eq!(unanswered.commands(true).len(), 4);
        let answers = [Value::Okay, Value::Int(1), Value::Okay, Value::Int(2)];
        assert!(unanswered.take(answers.into(), true, &here).is_none());
        assert_eq!(unanswered.answers(), [Value::Int(5), Value::Int(1), Value::Int(2)]);
    }

    #[test]
    fn errors_of_a_command_are_answers() {
        let here = Address::Tcp("::1".into(), 1);
        let mut commands = Pipeline::new();
        commands.cmd("INCR").arg("a");
        let mut unanswered = Unanswered::new(&commands);
        assert!(unanswered.take(vec![error("WRONGTYPE", "no")], false, &here).is_none());
        let down = vec![error("CLUSTERDOWN", "The cluster is down")];
        let mut unanswered = Unanswered::new(&commands);
        assert!(matches!(unanswered.take(down, false, &here), Some(Next::Later)));
        assert_eq!(address("::2:7", &here), Some(Address::Tcp("::2".into(), 7)));
    }
}
