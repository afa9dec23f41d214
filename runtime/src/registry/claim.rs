//! Who has a claim to a component type, and which sockets of theirs serve it at this moment.

use std::sync::Arc;

use super::Offer;
use crate::plugin::Seat;

/// Who claims one component type. The first established claim serves; the others are passed over.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) list: Vec<Claim>,
    /// A plugin that is yet to come has a claim to it.
    pub(super) reserved_by: Option<Arc<str>>,
}

/// One plugin's claim, by the name of its socket. It is there through all the plugin's lives, also
/// while nobody offers anything.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) plugin: Arc<str>,
    pub(super) socket: Arc<str>,
    /// One for each of the plugin's processes that has the socket connected.
    pub(super) offers: Vec<Offer>,
    /// Somebody has offered it who takes calls: it is more than what a process that stands by is
    /// about to bring.
    pub(super) established: bool,
}

// === impl Claims ===

impl Claims {
    /// The claim that serves.
    pub(super) fn first(&self) -> Option<&Claim> {
        self.list.iter().find(|claim| claim.established)
    }

    /// Takes back the claims that `which` is true of. Says whether there were any, and whether the
    /// one that served was among them.
    pub(super) fn withdraw(&mut self, which: impl FnMut(&mut Claim) -> bool) -> (bool, bool) {
        let served = |claims: &Self| claims.first().map(|c| (c.plugin.clone(), c.socket.clone()));
        let before = served(self);
        let any = self.list.extract_if(.., which).count() > 0;
        (any, before.is_some() && served(self) != before)
    }

    /// The plugin's claim by this socket, made if there is none.
    pub(super) fn of(&mut self, offer: &Offer) -> &mut Claim {
        let at = self.list.iter().position(|claim| claim.is_of(offer)).unwrap_or_else(|| {
            self.list.push(Claim {
                plugin: offer.plugin.clone(),
                socket: offer.socket.clone(),
                offers: Vec::new(),
                established: false,
            });
            self.list.len() - 1
        });
        &mut self.list[at]
    }
}

// === impl Claim ===

impl Claim {
    /// Whether this is the claim that the offer belongs to.
    pub(super) fn is_of(&self, offer: &Offer) -> bool {
        self.plugin == offer.plugin && self.socket == offer.socket
    }

    /// Takes an offer in, in place of the earlier one of the same seat.
    pub(super) fn put(&mut self, offer: Offer) {
        self.take(offer.seat);
        self.offers.push(offer);
    }

    /// Takes the seat's offer back. Says whether there was one.
    pub(super) fn take(&mut self, seat: Seat) -> bool {
        let before = self.offers.len();
        self.offers.retain(|offer| offer.seat != seat);
        self.offers.len() < before
    }
}
