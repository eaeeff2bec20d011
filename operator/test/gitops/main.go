// Says what Argo CD and Flux make of objects, with the parts that they themselves use: gopher-lua with the libraries that Argo CD
// opens, kstatus, and Flux' evaluator of healthCheckExprs. One JSON document in, one out.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	kustomize "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type question struct {
	// Lua by kind, as in the ConfigMap argocd-cm.
	Health map[string]string `json:"health"`
	// A Kustomization of Flux, as YAML.
	Kustomization string            `json:"kustomization"`
	Objects       []json.RawMessage `json:"objects"`
}

type answer struct {
	Argo        string `json:"argo"`
	ArgoMessage string `json:"argoMessage"`
	// What Flux sees without healthCheckExprs, and with those of the Kustomization.
	Kstatus string `json:"kstatus"`
	Flux    string `json:"flux"`
}

func main() {
	if err := judge(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	flux, err := readerOf(asked.Kustomization)
	if err != nil {
		return err
	}
	answers := []answer{}
	for _, text := range asked.Objects {
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		one, err := answerFor(&object, asked.Health, flux)
		if err != nil {
			return fmt.Errorf("%s: %w", object.GetKind(), err)
		}
		answers = append(answers, one)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func answerFor(object *unstructured.Unstructured, health map[string]string, flux engine.StatusReader) (answer, error) {
	plain, err := status.Compute(object)
	if err != nil {
		return answer{}, err
	}
	said := answer{Kstatus: string(plain.Status), Flux: string(plain.Status)}
	if flux.Supports(object.GroupVersionKind().GroupKind()) {
		custom, err := flux.ReadStatusForObject(context.Background(), nil, object)
		if err != nil {
			return answer{}, err
		}
		said.Flux = string(custom.Status)
	}
	said.Argo, said.ArgoMessage, err = argoHealth(object, health[object.GetKind()])
	return said, err
}

func readerOf(text string) (engine.StatusReader, error) {
	var kustomization kustomize.Kustomization
	if err := yaml.UnmarshalStrict([]byte(text), &kustomization); err != nil {
		return nil, err
	}
	read, err := cel.NewStatusReader(kustomization.Spec.HealthCheckExprs)
	if err != nil {
		return nil, err
	}
	return read(nil), nil
}

// As Argo CD: what is deleted is Progressing before any script is asked.
func argoHealth(object *unstructured.Unstructured, script string) (string, string, error) {
	if object.GetDeletionTimestamp() != nil {
		return "Progressing", "Pending deletion", nil
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), Protect: true}, lua.LString(library.name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", luaValue(state, object.Object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returns no table")
	}
	return text(result, "status"), text(result, "message"), nil
}

func text(table *lua.LTable, field string) string {
	if value := table.RawGetString(field); value != lua.LNil {
		return value.String()
	}
	return ""
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch typed := value.(type) {
	case bool:
		return lua.LBool(typed)
	case float64:
		return lua.LNumber(typed)
	case int64:
		return lua.LNumber(typed)
	case string:
		return lua.LString(typed)
	case []any:
		table := state.CreateTable(len(typed), 0)
		for _, item := range typed {
			table.Append(luaValue(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(typed))
		for key, item := range typed {
			table.RawSetH(lua.LString(key), luaValue(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
