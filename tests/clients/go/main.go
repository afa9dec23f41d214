// Command application is an application on Dapr's public SDK for Go, led step by step:
// ../README.md tells how.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/status"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(components string) error {
	var names names
	if err := json.Unmarshal([]byte(components), &names); err != nil {
		return err
	}
	client, err := dapr.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	application := application{client: client, names: names, events: make(chan []byte, 1000), messages: make(chan []byte, 1000)}
	if port := os.Getenv("APP_PORT"); port != "" {
		service, err := application.serve("127.0.0.1:" + port)
		if err != nil {
			return err
		}
		defer service.Stop()
	}
	if err := client.Wait(context.Background(), patience); err != nil {
		return err
	}
	say(map[string]any{"ok": "connected"})

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked struct {
			Step      string
			Arguments arguments
		}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		result, err := application.do(context.Background(), asked.Step, asked.Arguments)
		if err != nil {
			// The SDK wraps the call's status.
			say(map[string]any{"error": err.Error(), "code": status.Code(err).String()})
		} else {
			say(map[string]any{"ok": result})
		}
	}
	return lines.Err()
}

func say(answer map[string]any) {
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	fmt.Printf("answer %s\n", text)
}
