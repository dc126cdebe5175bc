package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

var (
	variable = regexp.MustCompile(`\$\{([^}]+)\}`)
	words    = regexp.MustCompile(`([a-z])([A-Z])`)
)

// judged says whether a step is over: it failed, or was refused as it should be.
func judged(step object, err error) (bool, error) {
	wanted, refused := step["refused"].(object)
	if err == nil && refused {
		return true, errors.New("it was not refused")
	}
	if err == nil || !refused {
		return err != nil, err
	}
	if fields, ok := wanted["fields"].([]any); ok {
		slices.SortFunc(fields, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	}
	return true, expect(wanted, told(err), "error")
}

// told is what a refusal says, in the words of scenarios.
func told(err error) object {
	refusal := status.Convert(err)
	code := strings.ToUpper(words.ReplaceAllString(refusal.Code().String(), "${1}_${2}"))
	result := object{"code": code, "fields": []any{}, "retry_after": false}
	for _, detail := range refusal.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			facts := object{}
			for key, value := range detail.Metadata {
				facts[key] = value
			}
			result["reason"], result["metadata"] = detail.Reason, facts
		case *errdetails.BadRequest:
			fields := []string{}
			for _, each := range detail.FieldViolations {
				fields = append(fields, each.Field)
			}
			slices.Sort(fields)
			for _, each := range fields {
				result["fields"] = append(result["fields"].([]any), each)
			}
		case *errdetails.PreconditionFailure:
			result["subject"] = detail.Violations[0].Subject
		case *errdetails.RetryInfo:
			result["retry_after"] = true
		}
	}
	return result
}

// expect fails unless what was found holds what was expected.
func expect(expected, found any, path string) error {
	switch wanted := expected.(type) {
	case object:
		if found, ok := found.(object); ok {
			for key, each := range wanted {
				if err := expect(each, found[key], path+"."+key); err != nil {
					return err
				}
			}
			return nil
		}
	case []any:
		if found, ok := found.([]any); ok && len(found) == len(wanted) {
			for at, each := range wanted {
				if err := expect(each, found[at], path+"."+strconv.Itoa(at)); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		if reflect.DeepEqual(expected, found) || expected == "*" && found != nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %s, not %s", path, must(json.Marshal(found)), must(json.Marshal(expected)))
}

// replaced puts values in the place of ${name}.
func (p *player) replaced(value any) any {
	switch value := value.(type) {
	case object:
		result := object{}
		for key, each := range value {
			result[key] = p.replaced(each)
		}
		return result
	case []any:
		result := make([]any, len(value))
		for at, each := range value {
			result[at] = p.replaced(each)
		}
		return result
	case string:
		if whole := variable.FindStringSubmatch(value); whole != nil && whole[0] == value {
			return p.value(whole[1])
		}
		return variable.ReplaceAllStringFunc(value, func(name string) string {
			return fmt.Sprint(p.value(name[2 : len(name)-1]))
		})
	default:
		return value
	}
}

func (p *player) value(path string) any {
	var value any = p.values
	for _, part := range strings.Split(path, ".") {
		if elements, ok := value.([]any); ok {
			value = elements[must(strconv.Atoi(part))]
		} else {
			value = value.(object)[part]
		}
	}
	return value
}
