// Command go-memory is a state store plugin as its SDK's documentation has it written: Dapr's
// components SDK for Go, serving Dapr's own in-memory state store.
//
// It is here to prove that a plugin written for Dapr runs on replug as it is: nothing in it knows
// of replug.
package main

import (
	dapr "github.com/dapr-sandbox/components-go-sdk"
	"github.com/dapr-sandbox/components-go-sdk/state/v1"
	inmemory "github.com/dapr/components-contrib/state/in-memory"
	"github.com/dapr/kit/logger"
)

var log = logger.NewLogger("go-memory")

func main() {
	dapr.Register("go-memory", dapr.WithStateStore(func() state.Store {
		return inmemory.NewInMemoryStateStore(log)
	}))
	dapr.MustRun()
}
