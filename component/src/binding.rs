//! The building block bindings: events from the outside, and calls to it.
//!
//! A binding has one side or both: an *input* reads events, each of which the application answers; an
//! *output* is invoked by the application. The two are traits of their own, and so are the types
//! that make them; a [`Binding`] is what one component has of them.

mod answer;
mod direction;
pub mod wire;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

pub use answer::Answerer;
pub use direction::Direction;

use crate::{Context, Error, Features, Metadata};

/// A side that applications invoke.
///
/// Every method may be called at once from many tasks. Dropping the future of a call gives it up;
/// whether it is carried out is not known.
#[async_trait]
pub trait OutputBinding: Send + Sync + 'static {
    /// What it can be asked to do, such as `create`. Letters count as they are.
    async fn operations(&self, cx: &Context) -> Result<Features, Error>;

    /// Does it. Called with operations that the binding has told of. Gives nothing where there is
    /// nothing to say, not even that there are no bytes.
    async fn invoke(
        &self,
        cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error>;

    /// Whether the binding can be used at this moment.
    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}

/// A side from which events come.
#[async_trait]
pub trait InputBinding: Send + Sync + 'static {
    /// Reads from now on: events come by what this gives. Reading twice gives the events twice, or
    /// shares them, as the binding's kind has it.
    async fn read(&self, cx: &Context) -> Result<Events, Error>;

    /// Whether the binding can be used at this moment.
    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes input sides of one component type.
#[async_trait]
pub trait InputBindingType: Send + Sync + 'static {
    /// An input with this configuration, ready to be read.
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn InputBinding>, Error>;
}

/// Makes output sides of one component type.
#[async_trait]
pub trait OutputBindingType: Send + Sync + 'static {
    /// An output with this configuration, ready for calls.
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error>;
}

#[async_trait]
impl<T: InputBindingType + ?Sized> InputBindingType for Arc<T> {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn InputBinding>, Error> {
        T::open(self, metadata).await
    }
}

#[async_trait]
impl<T: OutputBindingType + ?Sized> OutputBindingType for Arc<T> {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        T::open(self, metadata).await
    }
}

/// A component type of the block bindings: the sides that its components have.
#[derive(Clone, Default)]
pub struct BindingType {
    /// Makes inputs.
    pub input: Option<Arc<dyn InputBindingType>>,
    /// Makes outputs.
    pub output: Option<Arc<dyn OutputBindingType>>,
}

/// A component of the block bindings: the sides that it has.
#[derive(Clone, Default)]
pub struct Binding {
    /// Where events come from.
    pub input: Option<Arc<dyn InputBinding>>,
    /// What can be invoked.
    pub output: Option<Arc<dyn OutputBinding>>,
}

/// Asks a binding to do something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvokeRequest {
    /// What to do.
    pub operation: String,
    /// What to do it with.
    pub data: Bytes,
    /// Particulars.
    pub metadata: Metadata,
}

/// What a binding says of something that it did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvokeResponse {
    /// The answer.
    pub data: Bytes,
    /// Particulars of it.
    pub metadata: Metadata,
    /// Its content type; empty where the binding tells none.
    pub content_type: String,
}

/// Something that has happened outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub data: Bytes,
    /// Particulars.
    pub metadata: Metadata,
    /// The data's content type; empty where the binding tells none.
    pub content_type: String,
}

/// An event, to be answered.
#[derive(Debug)]
pub struct Arrival {
    /// What has happened.
    pub event: Event,
    /// Takes what the application says to it.
    pub answerer: Answerer,
}

/// Events as they come. Each may be handled while others are; nothing is read ahead of whoever asks.
///
/// It ends, with `None`, only when the component does.
///
/// **Dropping it** ends the reading. Events that were handed out can still be answered.
pub struct Events(BoxStream<'static, Arrival>);

// === impl BindingType ===

impl BindingType {
    /// A component with this configuration. It has those sides of its type that its `direction`
    /// names, or all of them where it names none.
    pub async fn open(&self, metadata: Metadata) -> Result<Binding, Error> {
        let direction = Direction::of(&metadata);
        let mut binding = Binding::default();
        if let Some(of) = self.input.as_ref().filter(|_| direction.has_input()) {
            binding.input = Some(of.open(metadata.clone()).await?);
        }
        if let Some(of) = self.output.as_ref().filter(|_| direction.has_output()) {
            binding.output = Some(of.open(metadata).await?);
        }
        Ok(binding)
    }
}

// === impl Binding ===

impl Binding {
    /// What Dapr calls a binding that is read.
    pub const INPUT: &str = "INPUT_BINDING";
    /// What Dapr calls a binding that is invoked.
    pub const OUTPUT: &str = "OUTPUT_BINDING";

    /// The sides that it has, as Dapr calls them.
    #[must_use]
    pub fn capabilities(&self) -> Features {
        let input = self.input.as_ref().map(|_| Self::INPUT);
        Features::new(input.into_iter().chain(self.output.as_ref().map(|_| Self::OUTPUT)))
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Binding").field(&self.capabilities()).finish()
    }
}

// === impl Events ===

impl Events {
    /// Events that come by this stream. Dropped with it, they are read no more.
    #[must_use]
    pub fn new(arrivals: impl Stream<Item = Arrival> + Send + 'static) -> Self {
        Self(arrivals.boxed())
    }

    /// The next event; none when the component has ended the reading. Dropping the future loses no
    /// event.
    pub async fn next(&mut self) -> Option<Arrival> {
        self.0.next().await
    }
}

impl Stream for Events {
    type Item = Arrival;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Arrival>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
