// Command go-bus is a pubsub plugin as its SDK's documentation has it written: Dapr's components SDK
// for Go, serving Dapr's own in-memory pubsub.
//
// It is here to be measured: what a message costs on its way through a plugin written for Dapr.
package main

import (
	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdk "github.com/dapr-sandbox/components-go-sdk/pubsub/v1"
	inmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	"github.com/dapr/kit/logger"
)

var log = logger.NewLogger("go-bus")

func main() {
	dapr.Register("go-bus", dapr.WithPubSub(func() sdk.PubSub {
		return inmemory.New(log)
	}))
	dapr.MustRun()
}
