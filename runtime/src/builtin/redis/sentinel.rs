//! Who is the master, as sentinels say: asked whenever a connection to it is made. Any sentinel that
//! answers will do, and those that it knows of are asked too from then on.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Pipeline, Value};

use super::dial::Dialer;
use super::settings::{Address, Watched};

/// How long a sentinel may take for its answer. It has it in memory.
const PATIENCE: Duration = Duration::from_secs(3);

/// The sentinels of one master.
pub(super) struct Sentinels {
    dialer: Dialer,
    watched: Arc<Watched>,
    /// All that are known, the one that has answered last first.
    known: Mutex<Vec<Address>>,
}

impl std::fmt::Display for Sentinels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, master of the sentinels at", self.watched.name)?;
        for (index, address) in self.watched.sentinels.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            address.fmt(f)?;
        }
        Ok(())
    }
}

impl Sentinels {
    pub(super) fn new(watched: Arc<Watched>, dialer: Dialer) -> Self {
        let known = Mutex::new(watched.sentinels.clone());
        Self { dialer, watched, known }
    }

    /// Where the master is. Fails with what each sentinel has said.
    pub(super) async fn master(&self) -> Result<Address, String> {
        let known = self.known.lock().clone();
        let mut said = Vec::new();
        for sentinel in known {
            let asked = tokio::time::timeout(PATIENCE, self.ask(&sentinel)).await;
            match asked.unwrap_or_else(|_| Err("does not answer".to_owned())) {
                Ok((master, others)) => {
                    self.remember(sentinel, others);
                    return Ok(master);
                }
                Err(why) => said.push(format!("the sentinel at {sentinel} {why}")),
            }
        }
        Err(said.join("; "))
    }

    /// The master, and the other sentinels.
    async fn ask(&self, sentinel: &Address) -> Result<(Address, Vec<Address>), String> {
        let line = self.dialer.dial(sentinel).await;
        let line = line.map_err(|error| format!("cannot be asked: {error}"))?;
        let (name, mut questions) = (self.watched.name.as_str(), Pipeline::with_capacity(2));
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        questions.cmd("SENTINEL").arg("SENTINELS").arg(name);
        let mut connection = line.connection.clone();
        let answers = connection.send_packed_commands(&questions, 0, questions.len()).await;
        let mut answers = answers.map_err(|error| format!("cannot be asked: {error}"))?.into_iter();
        let master = match answers.next() {
            Some(Value::Array(parts)) => address(&parts).ok_or("answers no address")?,
            Some(Value::ServerError(error)) => return Err(format!("says: {error}")),
            _ => return Err(format!("knows no master `{name}` (`sentinelMasterName`)")),
        };
        // A sentinel that does not tell of the others is asked alone.
        Ok((master, answers.next().map(others).unwrap_or_default()))
    }

    /// Has the one that is asked first asked last from now on, until it is the first to answer.
    pub(super) fn ask_another(&self) {
        let mut known = self.known.lock();
        let others = known.len().min(1);
        known.rotate_left(others);
    }

    fn remember(&self, answered: Address, others: Vec<Address>) {
        let mut known = self.known.lock();
        let before = std::mem::replace(&mut *known, vec![answered]);
        for address in self.watched.sentinels.iter().cloned().chain(others).chain(before) {
            if known.len() < MOST && !known.contains(&address) {
                known.push(address);
            }
        }
    }
}

/// How many sentinels are remembered at the most.
const MOST: usize = 32;

/// A host and a port, as two texts.
fn address(parts: &[Value]) -> Option<Address> {
    let [Value::BulkString(host), Value::BulkString(port)] = parts else {
        return None;
    };
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Address::Tcp(std::str::from_utf8(host).ok()?.to_owned(), port))
}

/// The addresses of sentinels, each a list of names and values.
fn others(list: Value) -> Vec<Address> {
    let Value::Array(list) = list else {
        return Vec::new();
    };
    let address = |sentinel: Value| {
        let Value::Array(fields) = sentinel else {
            return None;
        };
        let field = |name: &[u8]| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find(|pair| matches!(&pair[0], Value::BulkString(text) if text == name))
        };
        address(&[field(b"ip")?[1].clone(), field(b"port")?[1].clone()])
    };
    list.into_iter().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::redis::settings::{Settings, Topology};

    #[test]
    fn who_has_answered_is_asked_first_and_who_was_wrong_last() {
        let pairs =
            [("redisHost", "a:1,b:2,c:3"), ("failover", "true"), ("sentinelMasterName", "shop")];
        let metadata = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let settings = Settings::new(&metadata).unwrap();
        let Topology::Sentinels(watched) = &settings.topology else { panic!("sentinels") };
        let sentinels = Sentinels::new(watched.clone(), Dialer::new(&settings).unwrap());
        let known = || {
            let known = sentinels.known.lock();
            known.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(known(), "a:1 b:2 c:3");
        let tcp = |host: &str, port| Address::Tcp(host.into(), port);
        sentinels.remember(tcp("b", 2), vec![tcp("d", 4), tcp("a", 1)]);
        assert_eq!(known(), "b:2 a:1 c:3 d:4");
        sentinels.ask_another();
        assert_eq!(known(), "a:1 c:3 d:4 b:2");
        let many = (0..100).map(|port| tcp("e", port)).collect();
        sentinels.remember(tcp("d", 4), many);
        assert_eq!(sentinels.known.lock().len(), MOST);
        assert!(known().starts_with("d:4 a:1 b:2 c:3 e:0 "), "{}", known());
    }
}
