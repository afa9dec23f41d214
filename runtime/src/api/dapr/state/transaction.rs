//! Transactions: the checks before one is carried out, in Dapr's order.

use std::sync::Arc;

use replug_component::state::{Operation, StateStore, TransactRequest};
use replug_component::{Context, Error, Features, Metadata};

use super::Store;
use super::failure::{Doing, illegal_key, too_many_operations, transactions_not_supported};
use crate::api::dapr::error::{ApiError, Front};

/// A transaction on a store that is able to have one.
pub(in crate::api::dapr) struct Transaction<'a> {
    store: &'a Store<'a>,
    component: Arc<dyn StateStore>,
}

impl Store<'_> {
    /// Begins a transaction; fails where the store has none.
    pub(in crate::api::dapr) async fn transaction(
        &self,
        cx: &Context,
    ) -> Result<Transaction<'_>, ApiError> {
        let failed = |error: &Error| self.failed(Doing::Transaction, error);
        let component = self.component.slot.component(cx).await.map_err(|e| failed(&e))?;
        if !component.features().has(Features::TRANSACTIONAL) {
            // A store whose plugin has never been there yet has no features. This waits for it.
            if let Err(error @ Error::Unavailable(_)) = component.ping(cx).await {
                return Err(failed(&error));
            }
            if !component.features().has(Features::TRANSACTIONAL) {
                return Err(transactions_not_supported(self.name));
            }
        }
        Ok(Transaction { store: self, component })
    }
}

impl Transaction<'_> {
    /// The key that is stored for the application's `key`.
    pub(in crate::api::dapr) fn stored(&self, key: &str) -> Result<String, ApiError> {
        // Over HTTP Dapr does not say here which key it was.
        let field = if self.store.front == Front::Http { "" } else { key };
        let stored = self.store.component.keys.load().stored(key);
        stored.map_err(|illegal| illegal_key(&illegal, field, self.store.name, self.store.front))
    }

    /// What the store says of an operation's unknown options, if it looks at them.
    pub(in crate::api::dapr) fn refused(
        &self,
        operation: &Operation,
        unknown: Option<Error>,
    ) -> Option<Error> {
        unknown.filter(|_| match operation {
            Operation::Set(_) => self.component.refuses_unknown_options(),
            Operation::Delete(_) => self.component.refuses_unknown_options_of_deletes(true),
        })
    }

    /// Carries out the operations, whose keys are as [`Store::stored`] gives them. `refused` is
    /// what the store says of the first whose options it refuses.
    pub(in crate::api::dapr) async fn carry_out(
        self,
        cx: &Context,
        mut operations: Vec<Operation>,
        metadata: Metadata,
        refused: Option<Error>,
    ) -> Result<(), ApiError> {
        if operations.is_empty() {
            return Ok(());
        }
        let failed = |error: Error| self.store.failed(Doing::Transaction, &error);
        if let Some(most) = self.component.max_transaction_size(cx).await.map_err(failed)?
            && operations.len() > most
        {
            return Err(too_many_operations(self.store.name, operations.len(), most));
        }
        let sets = operations.iter_mut().filter_map(|operation| match operation {
            Operation::Set(set) => Some(set),
            Operation::Delete(_) => None,
        });
        let fitting = self.store.fit(&*self.component, sets);
        let request = TransactRequest { operations, metadata };
        let done = async {
            fitting?;
            match refused {
                Some(error) => Err(error),
                None => self.component.transact(cx, request).await,
            }
        };
        self.store.measured("transaction", done).await.map_err(failed)
    }
}
