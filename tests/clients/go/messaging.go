package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/dapr/go-sdk/service/common"
	daprd "github.com/dapr/go-sdk/service/http"
)

// doMessaging does the steps of messages and bindings.
func (a *application) doMessaging(ctx context.Context, step string, given arguments) (any, error) {
	switch step {
	case "publish":
		var text string
		if err := json.Unmarshal(given.Data, &text); err != nil {
			return nil, err
		}
		return nil, a.client.PublishEvent(ctx, a.Pubsub, given.Topic, text)
	case "subscribe":
		options := dapr.SubscriptionOptions{PubsubName: a.Pubsub, Topic: given.Topic}
		subscription, err := a.client.Subscribe(ctx, options)
		a.subscription = subscription
		return nil, err
	case "next":
		message, err := a.subscription.Receive()
		if err != nil {
			return nil, err
		}
		return string(message.RawData), message.Success()
	case "invoke":
		request := dapr.InvokeBindingRequest{
			Name: a.Binding, Operation: given.Operation, Data: given.Data,
		}
		answer, err := a.client.InvokeBinding(ctx, &request)
		if err != nil {
			return nil, err
		}
		return string(answer.Data), nil
	case "event":
		data, err := next(ctx, a.events)
		return json.RawMessage(data), err
	case "message":
		data, err := next(ctx, a.messages)
		return string(data), err
	}
	return nil, fmt.Errorf("there is no step %q", step)
}

// next is what comes next of what the application's server was sent.
func next(ctx context.Context, sent <-chan []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case data := <-sent:
		return data, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// servedTopic is what the application's server subscribes to.
const servedTopic = "served"

// serve takes the events of the binding, and the messages of a topic, in the background.
func (a *application) serve(address string) (common.Service, error) {
	service := daprd.NewService(address)
	take := func(_ context.Context, event *common.BindingEvent) ([]byte, error) {
		a.events <- event.Data
		return nil, nil
	}
	if err := service.AddBindingInvocationHandler("/"+a.Binding, take); err != nil {
		return nil, err
	}
	subscription := common.Subscription{
		PubsubName: a.Pubsub, Topic: servedTopic, Route: "/" + servedTopic,
	}
	hear := func(_ context.Context, event *common.TopicEvent) (bool, error) {
		a.messages <- []byte(fmt.Sprint(event.Data))
		return false, nil
	}
	if err := service.AddTopicEventHandler(&subscription, hear); err != nil {
		return nil, err
	}
	go func() {
		if err := service.Start(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	return service, nil
}
