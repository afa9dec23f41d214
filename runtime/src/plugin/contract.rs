//! The contracts that a plugin may serve, by the names that reflection gives.

use std::collections::BTreeSet;

use replug_component::{BuildingBlock, ComponentType};

/// A gRPC service of a plugin that replug knows how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contract {
    /// Dapr's state store.
    DaprState,
    /// Dapr's transactions, beside a state store.
    DaprStateTransactions,
    /// Dapr's queries, beside a state store.
    DaprStateQuery,
    /// How large Dapr's transactions may be, beside transactions.
    DaprStateTransactionSize,
    /// Dapr's secret store.
    DaprSecrets,
    /// Dapr's pubsub.
    DaprPubSub,
    /// Dapr's binding that is read.
    DaprInputBinding,
    /// Dapr's binding that is invoked.
    DaprOutputBinding,
    /// Layotto's greeting.
    LayottoHello,
    /// gRPC's own health service, beside any other contract.
    GrpcHealth,
}

impl Contract {
    /// Every contract that replug knows.
    pub const ALL: [Self; 10] = [
        Self::DaprState,
        Self::DaprStateTransactions,
        Self::DaprStateQuery,
        Self::DaprStateTransactionSize,
        Self::DaprSecrets,
        Self::DaprPubSub,
        Self::DaprInputBinding,
        Self::DaprOutputBinding,
        Self::LayottoHello,
        Self::GrpcHealth,
    ];

    /// The service's full name.
    #[must_use]
    pub const fn service(self) -> &'static str {
        match self {
            Self::DaprState => "dapr.proto.components.v1.StateStore",
            Self::DaprStateTransactions => "dapr.proto.components.v1.TransactionalStateStore",
            Self::DaprStateQuery => "dapr.proto.components.v1.QueriableStateStore",
            Self::DaprStateTransactionSize => {
                "dapr.proto.components.v1.TransactionalStoreMultiMaxSize"
            }
            Self::DaprSecrets => "dapr.proto.components.v1.SecretStore",
            Self::DaprPubSub => "dapr.proto.components.v1.PubSub",
            Self::DaprInputBinding => "dapr.proto.components.v1.InputBinding",
            Self::DaprOutputBinding => "dapr.proto.components.v1.OutputBinding",
            Self::LayottoHello => "spec.proto.pluggable.v1.hello.Hello",
            Self::GrpcHealth => "grpc.health.v1.Health",
        }
    }

    /// The building block of the components it makes; none where it only adds to another contract.
    #[must_use]
    pub const fn block(self) -> Option<BuildingBlock> {
        match self {
            Self::DaprState => Some(BuildingBlock::State),
            Self::DaprSecrets => Some(BuildingBlock::SecretStores),
            Self::DaprPubSub => Some(BuildingBlock::PubSub),
            Self::DaprInputBinding | Self::DaprOutputBinding => Some(BuildingBlock::Bindings),
            Self::LayottoHello => Some(BuildingBlock::Hello),
            Self::DaprStateTransactions
            | Self::DaprStateQuery
            | Self::DaprStateTransactionSize
            | Self::GrpcHealth => None,
        }
    }
}

/// The contracts of one plugin socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contracts(BTreeSet<Contract>);

impl Contracts {
    /// Those among `services` that replug knows; the others are of no matter.
    pub fn known_among<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let services: BTreeSet<&str> = services.into_iter().collect();
        Self(Contract::ALL.into_iter().filter(|known| services.contains(known.service())).collect())
    }

    /// Whether `contract` is among them.
    #[must_use]
    pub fn has(&self, contract: Contract) -> bool {
        self.0.contains(&contract)
    }

    /// The same without one of them.
    #[must_use]
    pub fn without(mut self, contract: Contract) -> Self {
        self.0.remove(&contract);
        self
    }

    /// The component types of a socket with these contracts, `name` being the socket file's name
    /// without its last extension.
    pub fn types<'a>(&'a self, name: &'a str) -> impl Iterator<Item = ComponentType> + 'a {
        let mut blocks: Vec<_> = self.0.iter().filter_map(|contract| contract.block()).collect();
        // A binding has two contracts, which stand beside each other.
        blocks.dedup();
        blocks.into_iter().map(move |block| ComponentType::new(block, name))
    }

    /// Whether there is nothing that components can be made from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|contract| contract.block().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_services_are_of_no_matter() {
        let contracts = Contracts::known_among([
            "dapr.proto.components.v1.StateStore",
            "grpc.reflection.v1alpha.ServerReflection",
            "spec.proto.pluggable.v1.hello.Hello",
        ]);
        let types: Vec<_> = contracts.types("My-Plug.v2").map(|t| t.to_string()).collect();
        assert_eq!(types, ["state.my-plug.v2", "hello.my-plug.v2"]);
    }

    #[test]
    fn both_sides_of_a_binding_are_one_type() {
        let both = Contracts::known_among([
            "dapr.proto.components.v1.InputBinding",
            "dapr.proto.components.v1.OutputBinding",
        ]);
        let types: Vec<_> = both.types("kafka").map(|t| t.to_string()).collect();
        assert_eq!(types, ["bindings.kafka"]);
    }

    #[test]
    fn a_contract_that_only_adds_to_another_makes_no_component() {
        let alone = Contracts::known_among(["dapr.proto.components.v1.TransactionalStateStore"]);
        assert!(alone.is_empty());
    }
}
