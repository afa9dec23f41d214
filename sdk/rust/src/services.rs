//! The gRPC services of a plugin: the contracts of its component types, and what says that they
//! are there, server reflection and health.

use std::sync::Arc;

use replug_component::binding::BindingType;
use replug_component::hello::HelloType;
use replug_component::pubsub::PubSubType;
use replug_component::secret::SecretStoreType;
use replug_component::state::StateStoreType;
use replug_proto::PLUGIN_FILE_DESCRIPTOR_SET;
use replug_proto::dapr::components::v1::{
    input_binding_server as input_binding, output_binding_server as output_binding,
    pub_sub_server as pubsub, queriable_state_store_server as query,
    secret_store_server as secrets, state_store_server as store,
    transactional_state_store_server as transactions,
    transactional_store_multi_max_size_server as transaction_size,
};
use replug_proto::layotto::pluggable::v1::hello::hello_server as greeting;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self as health, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::v1::{self, server_reflection_server as reflection};
use tonic_reflection::pb::v1alpha::{self, server_reflection_server as reflection_alpha};

use crate::binding::{InputService, OutputService};
use crate::hello::HelloService;
use crate::pubsub::PubSubService;
use crate::secret::SecretService;
use crate::state::StateService;

/// Services, as they are put together.
pub(crate) struct Services {
    routes: Routes,
    /// Full names of the contracts among them.
    contracts: Vec<&'static str>,
    /// The largest message that they take, in bytes.
    message_limit: usize,
    stopping: watch::Sender<bool>,
}

impl Services {
    pub(crate) fn new(message_limit: usize) -> Self {
        let stopping = watch::Sender::new(false);
        Self { routes: Routes::default(), contracts: Vec::new(), message_limit, stopping }
    }

    /// Adds Dapr's contracts for a state store. Whether a store has transactions and queries it
    /// says itself, by its features; the services are there in any case.
    pub(crate) fn state(mut self, of: Arc<dyn StateStoreType>) -> Self {
        let service = Arc::new(StateService::new(of));
        let limit = self.message_limit;
        let store = store::StateStoreServer::from_arc(service.clone());
        let transactions = transactions::TransactionalStateStoreServer::from_arc(service.clone());
        let transaction_size =
            transaction_size::TransactionalStoreMultiMaxSizeServer::from_arc(service.clone());
        let query = query::QueriableStateStoreServer::from_arc(service);
        self.routes = self
            .routes
            .add_service(store.max_decoding_message_size(limit))
            .add_service(transactions.max_decoding_message_size(limit))
            .add_service(transaction_size)
            .add_service(query.max_decoding_message_size(limit));
        self.contracts.extend([
            store::SERVICE_NAME,
            transactions::SERVICE_NAME,
            transaction_size::SERVICE_NAME,
            query::SERVICE_NAME,
        ]);
        self
    }

    /// Adds Layotto's contract for a greeting.
    pub(crate) fn hello(mut self, of: Arc<dyn HelloType>) -> Self {
        let service = greeting::HelloServer::new(HelloService::new(of));
        self.routes =
            self.routes.add_service(service.max_decoding_message_size(self.message_limit));
        self.contracts.push(greeting::SERVICE_NAME);
        self
    }

    /// Adds Dapr's contract for a secret store.
    pub(crate) fn secrets(mut self, of: Arc<dyn SecretStoreType>) -> Self {
        let service = secrets::SecretStoreServer::new(SecretService::new(of));
        self.routes =
            self.routes.add_service(service.max_decoding_message_size(self.message_limit));
        self.contracts.push(secrets::SERVICE_NAME);
        self
    }

    /// Adds Dapr's contract for pubsub.
    pub(crate) fn pubsub(mut self, of: Arc<dyn PubSubType>) -> Self {
        let service = PubSubService::new(of, self.stopping.subscribe());
        let service = pubsub::PubSubServer::new(service);
        self.routes =
            self.routes.add_service(service.max_decoding_message_size(self.message_limit));
        self.contracts.push(pubsub::SERVICE_NAME);
        self
    }

    /// Adds Dapr's contracts for a binding: one for each side that its type has.
    pub(crate) fn binding(mut self, of: BindingType) -> Self {
        let BindingType { input, output } = of;
        if let Some(input) = input {
            let service = InputService::new(input, self.stopping.subscribe());
            let service = input_binding::InputBindingServer::new(service);
            self.routes =
                self.routes.add_service(service.max_decoding_message_size(self.message_limit));
            self.contracts.push(input_binding::SERVICE_NAME);
        }
        if let Some(output) = output {
            let service = output_binding::OutputBindingServer::new(OutputService::new(output));
            self.routes =
                self.routes.add_service(service.max_decoding_message_size(self.message_limit));
            self.contracts.push(output_binding::SERVICE_NAME);
        }
        self
    }

    /// Adds reflection, in both of its versions, and health. The list that reflection gives is
    /// what is served, no more: a runtime makes component types of it.
    pub(crate) async fn finish(self) -> (Routes, Lasting) {
        let health = HealthReporter::new();
        for contract in &self.contracts {
            health.set_service_status(contract, ServingStatus::Serving).await;
        }

        let about =
            [health::SERVICE_NAME, reflection::SERVICE_NAME, reflection_alpha::SERVICE_NAME];
        let listing = || {
            let files = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(PLUGIN_FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(v1alpha::FILE_DESCRIPTOR_SET);
            let services = self.contracts.iter().chain(&about);
            services.fold(files, |listing, service| listing.with_service_name(*service))
        };
        let compiled_in = "the descriptors are compiled in, so they can be read";
        let routes = self
            .routes
            .add_service(HealthServer::new(HealthService::from_health_reporter(health.clone())))
            .add_service(listing().build_v1().expect(compiled_in))
            .add_service(listing().build_v1alpha().expect(compiled_in))
            .prepare();
        let streams =
            Lasting { reporter: health, services: self.contracts, stopping: self.stopping };
        (routes, streams)
    }
}

/// Streams that last as long as the plugin: a plugin that stops would wait for them.
pub(crate) struct Lasting {
    /// What `grpc.health.v1` answers to those who watch.
    reporter: HealthReporter,
    services: Vec<&'static str>,
    /// What subscriptions look at.
    stopping: watch::Sender<bool>,
}

impl Lasting {
    /// Ends them: those who watch at once, subscriptions when what they have delivered is answered.
    pub(crate) async fn end(&mut self) {
        self.stopping.send_replace(true);
        for service in self.services.iter().chain(&[""]) {
            self.reporter.clear_service_status(service).await;
        }
    }
}
