// Command go-pubsub is a pubsub plugin on Dapr's components SDK for Go. A message is a file in the
// folder of its topic, until whoever has subscribed has handled it, so that none is lost with the
// process.
//
// It is here to prove that a plugin written for Dapr runs on replug as it is: nothing in it knows
// of replug.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdk "github.com/dapr-sandbox/components-go-sdk/pubsub/v1"
	"github.com/dapr/components-contrib/pubsub"
)

// How long a message that was not handled waits to be delivered again.
const again = 100 * time.Millisecond

// folders is a component: the topics below a folder.
type folders struct {
	root string

	lock   sync.Mutex
	count  int
	topics map[string]chan struct{}
}

func (f *folders) Init(_ context.Context, metadata pubsub.Metadata) error {
	f.root = metadata.Properties["folder"]
	if f.root == "" {
		return errors.New("the metadata have no folder")
	}
	f.topics = map[string]chan struct{}{}
	return nil
}

func (f *folders) Features() []pubsub.Feature { return nil }

// Publish has written the message to the disk when it returns.
func (f *folders) Publish(_ context.Context, message *pubsub.PublishRequest) error {
	folder, news := f.topic(message.Topic)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f.lock.Lock()
	f.count++
	name := fmt.Sprintf("%020d.%08d", time.Now().UnixNano(), f.count)
	f.lock.Unlock()
	// Under a name that is no message's, until it is whole.
	written := filepath.Join(f.root, name)
	if err := os.WriteFile(written, message.Data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(written, filepath.Join(folder, name)); err != nil {
		return err
	}
	select {
	case news <- struct{}{}:
	default:
	}
	return nil
}

// Subscribe begins with what was left by whoever had subscribed before.
func (f *folders) Subscribe(ctx context.Context, asked pubsub.SubscribeRequest, handle pubsub.Handler) error {
	folder, news := f.topic(asked.Topic)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			handled, err := f.deliver(ctx, folder, asked.Topic, handle)
			switch {
			case err != nil:
				select {
				case <-ctx.Done():
				case <-time.After(again):
				}
			case !handled:
				select {
				case <-ctx.Done():
				case <-news:
				}
			}
		}
	}()
	return nil
}

// deliver hands over what is there, oldest first, and tells whether that was anything.
func (f *folders) deliver(ctx context.Context, folder, topic string, handle pubsub.Handler) (bool, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false, err
	}
	sort.Slice(entries, func(a, b int) bool { return entries[a].Name() < entries[b].Name() })
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return true, err
		}
		if err := handle(ctx, &pubsub.NewMessage{Data: data, Topic: topic}); err != nil {
			return true, err
		}
		if err := os.Remove(path); err != nil {
			return true, err
		}
	}
	return len(entries) > 0, nil
}

func (f *folders) topic(name string) (string, chan struct{}) {
	f.lock.Lock()
	defer f.lock.Unlock()
	news, known := f.topics[name]
	if !known {
		news = make(chan struct{}, 1)
		f.topics[name] = news
	}
	return filepath.Join(f.root, "topics", name), news
}

// GetComponentMetadata tells nothing.
func (f *folders) GetComponentMetadata() map[string]string { return nil }

func (f *folders) Close() error { return nil }

func main() {
	dapr.Register("go-folders", dapr.WithPubSub(func() sdk.PubSub { return &folders{} }))
	dapr.MustRun()
}
