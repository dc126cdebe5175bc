// Plays conformance/scenarios.json through the generated Go; conformance/README.md says what each word means.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	_ "orderflow.example/go/gen/orderflow/customers/v1"
	_ "orderflow.example/go/gen/orderflow/fulfillment/v1"
	_ "orderflow.example/go/gen/orderflow/inventory/v1"
	_ "orderflow.example/go/gen/orderflow/orders/v1"
)

type object = map[string]any

type verdict struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	Step     int    `json:"step,omitempty"`
	Why      string `json:"why,omitempty"`
}

func main() {
	var file struct {
		Scenarios []struct {
			Name  string
			Uuids []string
			Steps []object
		}
	}
	given := object{}
	decode(must(os.ReadFile(os.Args[1])), &file)
	decode([]byte(os.Getenv("CONFORMANCE_VARIABLES")), &given)
	channels := map[string]*grpc.ClientConn{
		"command": connect("ORDERFLOW_COMMAND_ADDRESS"),
		"query":   connect("ORDERFLOW_QUERY_ADDRESS"),
		"faulty":  connect("ORDERFLOW_FAULTY_ADDRESS"),
	}
	for _, scenario := range file.Scenarios {
		player := player{channels, maps.Clone(given)}
		for _, name := range scenario.Uuids {
			player.values[name] = uuid.NewString()
		}
		result := verdict{Scenario: scenario.Name, OK: true}
		for number, step := range scenario.Steps {
			if err := player.play(step); err != nil {
				result = verdict{scenario.Name, false, number, err.Error()}
				break
			}
		}
		fmt.Println(string(must(json.Marshal(result))))
	}
}

func connect(variable string) *grpc.ClientConn {
	config := string(must(os.ReadFile(os.Getenv("ORDERFLOW_SERVICE_CONFIG"))))
	return must(grpc.NewClient(os.Getenv(variable),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config)))
}

func decode(data []byte, into any) {
	if err := json.Unmarshal(data, into); err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
