// Reads what Terraform's IBM Cloud provider takes and gives out of its source, for the types that are named.
//
//	go run . CHECKOUT ibm_is_vpc=ibm/service/vpc.ResourceIBMISVPC ...
//
// The provider itself would have to be compiled with some hundred modules to be asked; its schemas are literals, so that
// the syntax tree is enough. What is no literal ends the run: nothing is guessed.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Field is one attribute, as `schema.Schema` has it. Kind is bool, int, float, string, list, set or map.
type Field struct {
	Kind      string            `json:"kind"`
	Required  bool              `json:"required,omitempty"`
	Optional  bool              `json:"optional,omitempty"`
	Computed  bool              `json:"computed,omitempty"`
	ForceNew  bool              `json:"forceNew,omitempty"`
	Sensitive bool              `json:"sensitive,omitempty"`
	MaxItems  int               `json:"maxItems,omitempty"`
	Items     string            `json:"items,omitempty"`
	Fields    map[string]*Field `json:"fields,omitempty"`
}

// Type is one resource or data source and the file that it stands in.
type Type struct {
	Source string            `json:"source"`
	Fields map[string]*Field `json:"fields"`
}

// Package holds one folder of the provider: constants and functions by name.
type Package struct {
	root, folder string
	files        map[string]string
	values       map[string]ast.Expr
	functions    map[string]*ast.FuncDecl
	others       map[string]*Package
}

var kinds = map[string]string{
	"TypeBool": "bool", "TypeInt": "int", "TypeFloat": "float", "TypeString": "string",
	"TypeList": "list", "TypeSet": "set", "TypeMap": "map",
}

// Where `flex.ResourceName` and the like come from.
var imported = map[string]string{"flex": "ibm/flex"}

func main() {
	root, found := os.Args[1], map[string]Type{}
	packages := map[string]*Package{}
	for _, argument := range os.Args[2:] {
		name, place, _ := strings.Cut(argument, "=")
		folder, function, _ := strings.Cut(place, ".")
		if packages[folder] == nil {
			packages[folder] = read(root, folder)
		}
		p := packages[folder]
		declared := p.functions[function]
		if declared == nil {
			fail("%s has no function %s", folder, function)
		}
		found[name] = Type{folder + "/" + p.files[function], p.resource(returned(declared))}
	}
	text, err := json.MarshalIndent(found, "", " ")
	if err != nil {
		fail("%v", err)
	}
	fmt.Println(string(text))
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func read(root, folder string) *Package {
	p := &Package{root, folder, map[string]string{}, map[string]ast.Expr{}, map[string]*ast.FuncDecl{}, map[string]*Package{}}
	paths, _ := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if len(paths) == 0 {
		fail("%s has no folder %s", root, folder)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			fail("%v", err)
		}
		for _, declaration := range file.Decls {
			p.keep(declaration, filepath.Base(path))
		}
	}
	return p
}

func (p *Package) keep(declaration ast.Decl, file string) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			p.functions[d.Name.Name], p.files[d.Name.Name] = d, file
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			value, ok := spec.(*ast.ValueSpec)
			for i := 0; ok && i < len(value.Values); i++ {
				p.values[value.Names[i].Name] = value.Values[i]
			}
		}
	}
}

func returned(function *ast.FuncDecl) ast.Expr {
	for _, statement := range function.Body.List {
		if back, ok := statement.(*ast.ReturnStmt); ok {
			return back.Results[0]
		}
	}
	fail("%s returns nothing", function.Name.Name)
	return nil
}

// entries of a composite literal, behind `&` or a call, by field name or by key.
func (p *Package) entries(expression ast.Expr) []*ast.KeyValueExpr {
	var found []*ast.KeyValueExpr
	for _, element := range p.literal(expression).Elts {
		found = append(found, element.(*ast.KeyValueExpr))
	}
	return found
}

func (p *Package) literal(expression ast.Expr) *ast.CompositeLit {
	switch e := expression.(type) {
	case *ast.CompositeLit:
		return e
	case *ast.UnaryExpr:
		return p.literal(e.X)
	case *ast.CallExpr:
		if name, ok := e.Fun.(*ast.Ident); ok && p.functions[name.Name] != nil {
			return p.literal(returned(p.functions[name.Name]))
		}
	}
	fail("%s: no literal: %T", p.folder, expression)
	return nil
}

// resource: the fields of a `schema.Resource`.
func (p *Package) resource(expression ast.Expr) map[string]*Field {
	for _, entry := range p.entries(expression) {
		if entry.Key.(*ast.Ident).Name == "Schema" {
			fields := map[string]*Field{}
			for _, each := range p.entries(entry.Value) {
				fields[p.text(each.Key)] = p.field(each.Value)
			}
			return fields
		}
	}
	fail("%s: a resource without a schema", p.folder)
	return nil
}

func (p *Package) field(expression ast.Expr) *Field {
	field := &Field{}
	flags := map[string]*bool{
		"Required": &field.Required, "Optional": &field.Optional, "Computed": &field.Computed,
		"ForceNew": &field.ForceNew, "Sensitive": &field.Sensitive,
	}
	for _, entry := range p.entries(expression) {
		name := entry.Key.(*ast.Ident).Name
		switch {
		case flags[name] != nil:
			*flags[name] = entry.Value.(*ast.Ident).Name == "true"
		case name == "Type":
			field.Kind = kind(entry.Value)
		case name == "MaxItems":
			field.MaxItems, _ = strconv.Atoi(entry.Value.(*ast.BasicLit).Value)
		case name == "Elem":
			p.element(field, entry.Value)
		}
	}
	if field.Kind == "" {
		fail("%s: a field without a type", p.folder)
	}
	return field
}

// element: what a list, set or map holds. `Elem: schema.TypeString` is a slip of the provider's that Terraform overlooks.
func (p *Package) element(field *Field, expression ast.Expr) {
	if selector, ok := expression.(*ast.SelectorExpr); ok {
		field.Items = kind(selector)
		return
	}
	literal := p.literal(expression)
	if literal.Type.(*ast.SelectorExpr).Sel.Name == "Resource" {
		field.Fields = p.resource(literal)
		return
	}
	field.Items = p.field(literal).Kind
}

func kind(expression ast.Expr) string {
	found := kinds[expression.(*ast.SelectorExpr).Sel.Name]
	if found == "" {
		fail("no such type: %v", expression)
	}
	return found
}

// text: a string, a constant, or one of another package.
func (p *Package) text(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.Ident:
		if p.values[e.Name] != nil {
			return p.text(p.values[e.Name])
		}
	case *ast.SelectorExpr:
		folder := imported[e.X.(*ast.Ident).Name]
		if folder != "" && p.others[folder] == nil {
			p.others[folder] = read(p.root, folder)
		}
		if folder != "" {
			return p.others[folder].text(e.Sel)
		}
	}
	fail("%s: no text: %v", p.folder, expression)
	return ""
}
