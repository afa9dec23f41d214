package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	dapr "github.com/dapr/go-sdk/client"
)

// How long the runtime may take to be there.
const patience = 60 * time.Second

// names are those of the components that are used.
type names struct{ State, Secrets, Pubsub, Binding string }

// application is one client and the components that it uses.
type application struct {
	client dapr.Client
	names
	subscription *dapr.Subscription
	// Data of events that the binding has sent.
	events chan []byte
	// Data of messages that the topic has sent.
	messages chan []byte
}

// arguments are those of all steps.
type arguments struct {
	Key, Value, Etag string
	Keys, Delete     []string
	Values, Set      map[string]string
	Rounds           int
	Topic, Operation string
	Data             json.RawMessage
}

func (a *application) do(ctx context.Context, step string, given arguments) (any, error) {
	switch step {
	case "save":
		return nil, a.save(ctx, given.Key, given.Value, given.Etag)
	case "save_bulk":
		return nil, a.client.SaveBulkState(ctx, a.State, items(given.Values)...)
	case "get":
		item, err := a.client.GetState(ctx, a.State, given.Key, nil)
		if err != nil {
			return nil, err
		}
		return map[string]string{"value": string(item.Value), "etag": item.Etag}, nil
	case "get_bulk":
		return a.getBulk(ctx, given.Keys)
	case "transact":
		return nil, a.transact(ctx, given.Set, given.Delete)
	case "delete":
		if given.Etag == "" {
			return nil, a.client.DeleteState(ctx, a.State, given.Key, nil)
		}
		etag := &dapr.ETag{Value: given.Etag}
		return nil, a.client.DeleteStateWithETag(ctx, a.State, given.Key, etag, nil, nil)
	case "work":
		return nil, a.work(ctx, given.Rounds)
	case "secret":
		return a.client.GetSecret(ctx, a.Secrets, given.Key, nil)
	case "secrets":
		return a.client.GetBulkSecret(ctx, a.Secrets, nil)
	}
	return a.doMessaging(ctx, step, given)
}

func (a *application) save(ctx context.Context, key, value, etag string) error {
	if etag == "" {
		return a.client.SaveState(ctx, a.State, key, []byte(value), nil)
	}
	return a.client.SaveStateWithETag(ctx, a.State, key, []byte(value), etag, nil)
}

func (a *application) getBulk(ctx context.Context, keys []string) (any, error) {
	found, err := a.client.GetBulkState(ctx, a.State, keys, nil, int32(len(keys)))
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, item := range found {
		values[item.Key] = item.Error + string(item.Value)
	}
	return values, nil
}

func (a *application) transact(ctx context.Context, set map[string]string, remove []string) error {
	var operations []*dapr.StateOperation
	for _, item := range items(set) {
		upsert := dapr.StateOperation{Type: dapr.StateOperationTypeUpsert, Item: item}
		operations = append(operations, &upsert)
	}
	for _, key := range remove {
		item := &dapr.SetStateItem{Key: key}
		remove := dapr.StateOperation{Type: dapr.StateOperationTypeDelete, Item: item}
		operations = append(operations, &remove)
	}
	return a.client.ExecuteStateTransaction(ctx, a.State, nil, operations)
}

func (a *application) work(ctx context.Context, rounds int) error {
	for round := range rounds {
		wanted := strconv.Itoa(round)
		if err := a.save(ctx, "work", wanted, ""); err != nil {
			return err
		}
		item, err := a.client.GetState(ctx, a.State, "work", nil)
		if err != nil {
			return err
		}
		if got := string(item.Value); got != wanted {
			return fmt.Errorf("%q was read where %s had been saved", got, wanted)
		}
	}
	return nil
}

func items(values map[string]string) []*dapr.SetStateItem {
	var items []*dapr.SetStateItem
	for key, value := range values {
		items = append(items, &dapr.SetStateItem{Key: key, Value: []byte(value)})
	}
	return items
}
