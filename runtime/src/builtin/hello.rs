//! `hello.helloworld`: the smallest built-in there is. It greets as Layotto's component of that
//! name does.

use std::sync::Arc;

use async_trait::async_trait;
use replug_component::hello::{Hello, HelloConfig, HelloType};
use replug_component::{Context, Error};

/// The type `hello.helloworld`.
pub(super) struct HelloWorldType;

#[async_trait]
impl HelloType for HelloWorldType {
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error> {
        Ok(Arc::new(HelloWorld { greeting: config.greeting }))
    }
}

struct HelloWorld {
    greeting: String,
}

#[async_trait]
impl Hello for HelloWorld {
    async fn say_hello(&self, _cx: &Context, name: String) -> Result<String, Error> {
        if name.is_empty() {
            Ok(self.greeting.clone())
        } else {
            Ok(format!("{}, {name}", self.greeting))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_greeted_and_no_name_gets_the_greeting_alone() {
        let config = HelloConfig { greeting: "hello".into(), ..HelloConfig::default() };
        let hello = HelloWorldType.open(config).await.unwrap();
        let cx = Context::default();
        assert_eq!(hello.say_hello(&cx, "Layotto".into()).await.unwrap(), "hello, Layotto");
        assert_eq!(hello.say_hello(&cx, String::new()).await.unwrap(), "hello");
    }
}
