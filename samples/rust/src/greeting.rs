//! The component type `hello.notebook`.

use std::sync::Arc;

use replug_sdk::async_trait;
use replug_sdk::component::hello::{Hello, HelloConfig, HelloType};
use replug_sdk::component::{Context, Error};

/// What is said where the component's metadata have no `hello`.
const DEFAULT: &str = "Hello";

pub struct GreetingType;

#[async_trait]
impl HelloType for GreetingType {
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error> {
        let greeting = config.greeting;
        Ok(Arc::new(Greeting(if greeting.is_empty() { DEFAULT.into() } else { greeting })))
    }
}

struct Greeting(String);

#[async_trait]
impl Hello for Greeting {
    async fn say_hello(&self, _cx: &Context, name: String) -> Result<String, Error> {
        Ok(if name.is_empty() { self.0.clone() } else { format!("{}, {name}", self.0) })
    }
}
