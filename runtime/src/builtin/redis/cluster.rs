//! A Redis cluster: which node has which keys, and how commands find their way to it.
//!
//! The nodes say which slots are whose (`CLUSTER SLOTS`); that is asked when it is not known, when a
//! node says that a key has moved (`MOVED`), and when a node cannot be reached. A key that is just
//! being moved is asked for where the node says (`ASK`). What a node has refused to do, for it has
//! moved, is a replica or waits for a failover, is sent again, as is what could not be sent at all, as
//! often and with the pauses that the settings say. What may have been done is treated as with a
//! single server: reads are sent again, writes are not. So the routing is here and not the client of a
//! library, which sends writes again too.

mod keys;
mod redirect;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::{Pipeline, Value};
use replug_component::Error;

use super::dial::Dialer;
use super::node::{Miss, Node, Place};
use super::one_for_all::OneForAll;
use super::server::Doing;
use super::settings::{Address, Settings};
use redirect::{Redirect, Unanswered};
use slots::Slots;

/// How often a command follows redirects. Each step of a move of slots takes one.
const MOST_REDIRECTS: u32 = 8;

/// A cluster. Dropped, it closes the connections to its nodes.
pub(in crate::builtin) struct Cluster {
    settings: Arc<Settings>,
    dialer: Arc<Dialer>,
    /// Where it is looked for first: `redisHost`.
    seeds: Vec<Address>,
    /// Who has which slots; none: that is to be asked.
    slots: ArcSwapOption<Slots>,
    asking_for_slots: OneForAll,
    /// One for each node that was spoken to and is still a part.
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    /// Counts up, so that what any node can do goes to all of them in turn.
    turn: AtomicUsize,
}

impl Cluster {
    pub(super) fn new(settings: Arc<Settings>, dialer: Arc<Dialer>, seeds: &[Address]) -> Self {
        Self {
            settings,
            dialer,
            seeds: seeds.to_vec(),
            slots: ArcSwapOption::empty(),
            asking_for_slots: OneForAll::default(),
            nodes: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// As a single server's; the commands of each slot keep their order.
    pub(super) async fn ask_for(
        &self,
        holds: Duration,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let parts = keys::parts(commands);
        if let [part] = &parts[..] {
            return self.ask_slot(part.slot, holds, doing, commands).await;
        }
        let asked = parts.iter().map(|part| async {
            let commands = keys::pick(commands, &part.indices);
            self.ask_slot(part.slot, holds, doing, &commands).await
        });
        let mut answers = vec![Value::Nil; commands.len()];
        // One part that fails cuts off no other.
        for (part, answered) in parts.iter().zip(join_all(asked).await) {
            for (index, answer) in part.indices.iter().zip(answered?) {
                answers[*index] = answer;
            }
        }
        Ok(answers)
    }

    /// How many replicas every master has.
    pub(super) async fn replicas(&self) -> Result<usize, Error> {
        let slots = match self.slots.load_full() {
            Some(slots) => slots,
            None => self.look(None).await?,
        };
        Ok(slots.fewest_replicas())
    }

    pub(super) fn told(&self, text: String) -> Error {
        self.settings.told(&Seeds(&self.seeds), text)
    }

    /// Commands whose keys lie in one slot; none: any master will do.
    async fn ask_slot(
        &self,
        slot: Option<u16>,
        holds: Duration,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let mut unanswered = Unanswered::new(commands);
        let (mut left, mut pauses) = (self.settings.retries, self.settings.pauses());
        let (mut hops, mut stale) = (MOST_REDIRECTS, None);
        let mut redirect: Option<Redirect> = None;
        loop {
            let known = match (stale.take(), self.slots.load_full()) {
                (None, Some(slots)) => Ok(slots),
                (stale, _) => self.look(stale).await,
            };
            let asked = match (&redirect, &known) {
                (Some(redirect), _) => Ok(redirect.address.clone()),
                (None, Ok(slots)) => self.master(slots, slot),
                (None, Err(error)) => Err(error.clone()),
            };
            let asking = redirect.take().is_some_and(|redirect| redirect.asking);
            let answered = match asked {
                Ok(address) => {
                    let node = self.node(&address);
                    let commands = unanswered.commands(asking);
                    (Some(address), node.ask_for(holds, doing, &commands).await)
                }
                Err(error) => (None, Err(Miss::Unsent(error))),
            };
            let why = match answered {
                (Some(address), Ok(answers)) => match unanswered.take(answers, asking, &address) {
                    None => return Ok(unanswered.answers()),
                    Some(redirect::Next::Go(there)) if hops > 0 => {
                        hops -= 1;
                        // The slots are asked for anew, and whatever is said this goes there.
                        if let Ok(slots) = &known
                            && !there.asking
                        {
                            self.slots.compare_and_swap(slots, None);
                        }
                        redirect = Some(there);
                        continue;
                    }
                    Some(_) => None,
                },
                (_, Err(Miss::Unsent(error))) => Some(error),
                (_, Err(Miss::Lost(error))) if doing == Doing::Read => Some(error),
                (_, Err(miss)) => {
                    self.forget(&known);
                    return Err(miss.into());
                }
                (None, Ok(_)) => None,
            };
            if left == 0 {
                self.forget(&known);
                return why.map_or_else(|| Ok(unanswered.answers()), Err);
            }
            left -= 1;
            pauses.wait().await;
            stale = known.ok();
        }
    }

    /// Whoever comes next asks for the slots anew.
    fn forget(&self, known: &Result<Arc<Slots>, Error>) {
        if let Ok(slots) = known {
            self.slots.compare_and_swap(slots, None);
        }
    }

    fn master(&self, slots: &Slots, slot: Option<u16>) -> Result<Address, Error> {
        let found = match slot {
            Some(slot) => slots.master(slot),
            None => slots.any_master(self.turn.fetch_add(1, Ordering::Relaxed)),
        };
        found.cloned().ok_or_else(|| {
            self.told(format!("no node of the cluster has slot {}", slot.unwrap_or_default()))
        })
    }

    fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.get(address) {
            return node.clone();
        }
        let (settings, dialer) = (self.settings.clone(), self.dialer.clone());
        // Retries are over all nodes: another may have the slot by then.
        let node = Arc::new(Node::new(settings, dialer, Place::At(address.clone()), 0));
        nodes.insert(address.clone(), node.clone());
        node
    }

    /// Asks who has which slots, unless somebody has done so since `stale` was known.
    async fn look(&self, stale: Option<Arc<Slots>>) -> Result<Arc<Slots>, Error> {
        let is_news = |now: &Arc<Slots>| !stale.as_ref().is_some_and(|it| Arc::ptr_eq(it, now));
        let news = || self.slots.load_full().filter(is_news);
        self.asking_for_slots.get(news, self.look_at_any(stale.as_deref())).await
    }

    async fn look_at_any(&self, stale: Option<&Slots>) -> Result<Arc<Slots>, Error> {
        let mut last = self.told("no node of the cluster answers".to_owned());
        for address in self.in_turn(stale) {
            match self.look_at(&address).await {
                Ok(slots) => {
                    let slots = Arc::new(slots);
                    self.nodes.lock().retain(|address, _| slots.has(address));
                    self.slots.store(Some(slots.clone()));
                    return Ok(slots);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// All nodes that are known, another first each time: one that is cut off from the others tells
    /// what was.
    fn in_turn(&self, stale: Option<&Slots>) -> Vec<Address> {
        let mut all: Vec<Address> = self.nodes.lock().keys().cloned().collect();
        all.sort();
        let others = stale.into_iter().flat_map(Slots::nodes).chain(&self.seeds);
        for address in others {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % all.len().max(1);
        all.rotate_left(first);
        all
    }

    async fn look_at(&self, address: &Address) -> Result<Slots, Error> {
        let mut question = Pipeline::with_capacity(1);
        question.cmd("CLUSTER").arg("SLOTS");
        let node = self.node(address);
        let answers = node.ask_for(Duration::ZERO, Doing::Read, &question).await?;
        match answers.into_iter().next() {
            Some(Value::ServerError(error)) => Err(node.told(error.to_string())),
            answer => Slots::read(answer.unwrap_or(Value::Nil), address)
                .ok_or_else(|| node.told("no slot of the cluster is anybody's".to_owned())),
        }
    }
}

/// How a cluster is called: by the addresses that it was given with.
struct Seeds<'a>(&'a [Address]);

impl std::fmt::Display for Seeds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cluster")?;
        for (index, address) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { "," })?;
            address.fmt(f)?;
        }
        Ok(())
    }
}
