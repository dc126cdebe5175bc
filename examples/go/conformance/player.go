package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const deadline = 20 * time.Second

// player plays the steps of one scenario.
type player struct {
	channels map[string]*grpc.ClientConn
	values   object
}

func (p *player) play(given object) error {
	then := given["then"]
	step := object{}
	for key, value := range given {
		if key != "then" { // replaced when its own turn comes
			step[key] = p.replaced(value)
		}
	}
	switch {
	case step["call"] != nil:
		for range int(number(step["repeat"], 1)) {
			if err := p.call(step); err != nil {
				return err
			}
		}
		return nil
	case step["list"] != nil:
		return p.list(step)
	case step["watch"] != nil:
		return p.watch(step, then.([]any))
	default:
		return p.cancel(step)
	}
}

func (p *player) call(step object) error {
	answer, err := p.unary(context.Background(), step["call"].(string), step)
	if done, err := judged(step, err); done {
		return err
	}
	return p.keep(step, answer)
}

func (p *player) list(step object) error {
	messages, err := p.listed(step)
	if done, err := judged(step, err); done {
		return err
	}
	if field, ok := step["field"].(string); ok {
		keys, different := []any{}, map[any]bool{}
		for _, message := range messages {
			elements, _ := message.(object)[field].([]any)
			for _, each := range elements {
				key := each.(object)[step["key"].(string)]
				keys, different[key] = append(keys, key), true
			}
		}
		if wanted, ok := step["keys"]; ok {
			if err := expect(wanted, keys, "keys"); err != nil {
				return err
			}
		} else if count := int(number(step["count"], 0)); len(keys) != count || len(different) != count {
			return fmt.Errorf("%d different among %d, not %d", len(different), len(keys), count)
		}
	}
	return p.keep(step, messages)
}

func (p *player) listed(step object) ([]any, error) {
	messages, breaks := []any{}, 0
	for {
		before := len(messages)
		err := p.stream(step["list"].(string), step, func(message any) bool {
			messages = append(messages, message)
			return true
		})
		if err == nil {
			if wanted := int(number(step["resume"], 0)); breaks < wanted {
				return nil, fmt.Errorf("broke %d times", breaks)
			}
			return messages, nil
		}
		if step["resume"] == nil || status.Code(err) != codes.Unavailable || len(messages) == before {
			return nil, err
		}
		breaks++
		step["request"].(object)["resume_token"] = messages[len(messages)-1].(object)["resume_token"]
	}
}

func (p *player) watch(step object, then []any) error {
	wanted := step["first"]
	var failed error
	err := p.stream(step["watch"].(string), step, func(message any) bool {
		if expect(wanted, message, "message") != nil {
			return true
		}
		if then == nil {
			wanted = nil
			return false
		}
		for _, each := range then {
			if failed = p.play(each.(object)); failed != nil {
				return false
			}
		}
		wanted, then = step["next"], nil
		return true
	})
	if err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	if wanted != nil {
		return errors.New("the stream ended")
	}
	return nil
}

func (p *player) cancel(step object) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(time.Duration(number(step["after_ms"], 0))*time.Millisecond, cancel)
	if _, err := p.unary(ctx, step["cancel"].(string), step); status.Code(err) != codes.Canceled {
		return fmt.Errorf("ended as %v", err)
	}
	return nil
}

func (p *player) unary(ctx context.Context, name string, step object) (any, error) {
	request, answer, err := messagesOf(name, step)
	if err != nil {
		return nil, err
	}
	ctx, cancel := prepared(ctx, step)
	defer cancel()
	if err := p.channel(name, step).Invoke(ctx, "/"+name, request, answer); err != nil {
		return nil, err
	}
	return asJSON(answer), nil
}

// stream gives each message to `take` until that has enough; then it cancels the call.
func (p *player) stream(name string, step object, take func(any) bool) error {
	request, answer, err := messagesOf(name, step)
	if err != nil {
		return err
	}
	ctx, cancel := prepared(context.Background(), step)
	defer cancel()
	stream, err := p.channel(name, step).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+name)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		if err := stream.RecvMsg(answer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if !take(asJSON(answer)) {
			return nil
		}
	}
}

func (p *player) channel(name string, step object) *grpc.ClientConn {
	if via, ok := step["via"].(string); ok {
		return p.channels[via]
	}
	if strings.Contains(name, "QueryService/") {
		return p.channels["query"]
	}
	return p.channels["command"]
}

func (p *player) keep(step object, answer any) error {
	if wanted, ok := step["answer"]; ok {
		if err := expect(wanted, answer, "answer"); err != nil {
			return err
		}
	}
	if name, ok := step["as"].(string); ok {
		p.values[name] = answer
	}
	return nil
}

func prepared(ctx context.Context, step object) (context.Context, context.CancelFunc) {
	given, _ := step["metadata"].(object)
	for key, value := range given {
		ctx = metadata.AppendToOutgoingContext(ctx, key, value.(string))
	}
	return context.WithTimeout(ctx, time.Duration(number(step["deadline_ms"], float64(deadline.Milliseconds())))*time.Millisecond)
}

// messagesOf finds a method's generated messages, and reads the request from JSON.
func messagesOf(name string, step object) (proto.Message, proto.Message, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(name, "/", ".")))
	if err != nil {
		return nil, nil, err
	}
	method := found.(protoreflect.MethodDescriptor)
	request := must(protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())).New().Interface()
	answer := must(protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())).New().Interface()
	if step["request"] == nil {
		return request, answer, nil
	}
	return request, answer, protojson.Unmarshal(must(json.Marshal(step["request"])), request)
}

func asJSON(message proto.Message) any {
	var found any
	decode(must(protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)), &found)
	return found
}

func number(value any, otherwise float64) float64 {
	if given, ok := value.(float64); ok {
		return given
	}
	return otherwise
}
