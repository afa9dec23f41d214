// Command go-echo is a binding plugin on Dapr's components SDK for Go. What its output is given
// comes back from its input as an event, and what the application says to the last event can be
// asked for.
//
// It is here to prove that a plugin written for Dapr runs on replug as it is: nothing in it knows
// of replug.
package main

import (
	"context"
	"sync"

	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdk "github.com/dapr-sandbox/components-go-sdk/bindings/v1"
	"github.com/dapr/components-contrib/bindings"
)

const (
	echo bindings.OperationKind = "echo"
	last bindings.OperationKind = "last"
)

// echoes is what both sides share.
var echoes = struct {
	sync.Mutex
	events chan []byte
	said   []byte
}{events: make(chan []byte, 1000)}

type output struct{}

func (output) Init(context.Context, bindings.Metadata) error { return nil }

func (output) Operations() []bindings.OperationKind {
	return []bindings.OperationKind{echo, last}
}

func (output) Invoke(_ context.Context, request *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	if request.Operation == echo {
		echoes.events <- request.Data
		return &bindings.InvokeResponse{Metadata: map[string]string{"echoed": "yes"}}, nil
	}
	echoes.Lock()
	defer echoes.Unlock()
	return &bindings.InvokeResponse{Data: echoes.said}, nil
}

// GetComponentMetadata tells nothing.
func (output) GetComponentMetadata() map[string]string { return nil }

type input struct{}

func (input) Init(context.Context, bindings.Metadata) error { return nil }

func (input) Read(ctx context.Context, handle bindings.Handler) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case data := <-echoes.events:
				said, err := handle(ctx, &bindings.ReadResponse{Data: data})
				if err != nil {
					said = []byte(err.Error())
				}
				echoes.Lock()
				echoes.said = said
				echoes.Unlock()
			}
		}
	}()
	return nil
}

// GetComponentMetadata tells nothing.
func (input) GetComponentMetadata() map[string]string { return nil }

func (input) Close() error { return nil }

func main() {
	dapr.Register("go-echo",
		dapr.WithOutputBinding(func() sdk.OutputBinding { return output{} }),
		dapr.WithInputBinding(func() sdk.InputBinding { return input{} }))
	dapr.MustRun()
}
