package goods

import (
	"strings"

	"github.com/tidwall/gjson"
	"github.com/vektah/gqlparser/v2/ast"
)

// field reads the arguments of a field of a mutation. A place names the field and, after dots, the argument and the way
// into it; without an argument it is there to recognise the mutation by.
func (x *execution) field(field *ast.Field) {
	for i := range x.places {
		p := &x.places[i]
		path := strings.Split(p.name, ".")
		if path[0] != field.Name {
			continue
		}
		p.out.Present = true
		if len(path) == 1 {
			continue
		}
		for _, arg := range field.Arguments {
			if arg.Name == path[1] {
				x.value(p, arg.Value, path, 2)
			}
		}
	}
}

// value reads a value of which the place wants what is at path[step:]. A list is as good as one of its elements.
func (x *execution) value(p *place, value *ast.Value, path []string, step int) {
	if value == nil {
		return
	}
	switch value.Kind {
	case ast.Variable:
		x.variable(p, value.Raw, path, step)
	case ast.ListValue:
		for _, child := range value.Children {
			x.value(p, child.Value, path, step)
		}
	case ast.ObjectValue:
		if step == len(path) {
			p.out.Undetermined = true
			return
		}
		for _, child := range value.Children {
			if child.Name == path[step] {
				x.value(p, child.Value, path, step+1)
			}
		}
	case ast.IntValue, ast.FloatValue, ast.StringValue, ast.BlockValue, ast.EnumValue:
		if step < len(path) {
			p.out.Undetermined = true
			return
		}
		p.take(value.Raw)
	}
}

// variable reads a variable: what was sent for it, and its default. Which of them counts is the shop's affair, for what was
// sent may stand where the shop does not look: in the target of a POST, or before a second list of variables.
func (x *execution) variable(p *place, name string, path []string, step int) {
	key := variableOf{name, p, step}
	if x.variables[key] {
		return
	}
	x.variables[key] = true
	x.index()
	values, fields := x.sent[name], x.fieldsOf(name)
	for _, value := range values {
		p.takeInput(value, path[step:])
	}
	for _, field := range fields {
		if leads(field.path[1:], path[step:]) {
			p.take(field.value)
		}
	}
	found := len(values)+len(fields) > 0
	for _, definition := range x.op.VariableDefinitions {
		if definition.Variable == name && definition.DefaultValue != nil {
			x.value(p, definition.DefaultValue, path, step)
			found = true
		}
	}
	p.out.Undetermined = p.out.Undetermined || !found || x.unread
}

// takeInput reads what is at the path in a variable's value.
func (p *place) takeInput(value gjson.Result, path []string) {
	switch {
	case value.IsArray():
		value.ForEach(func(_, element gjson.Result) bool {
			p.takeInput(element, path)
			return true
		})
	case value.IsObject() && len(path) > 0:
		value.ForEach(func(key, member gjson.Result) bool {
			if key.Str == path[0] {
				p.takeInput(member, path[1:])
			}
			return true
		})
	case len(path) == 0:
		p.takeValue(value)
	default:
		p.out.Undetermined = p.out.Undetermined || value.Type == gjson.String
	}
}

// leads reports whether a form's field is at the path, but for the indices of lists.
func leads(field, path []string) bool {
	for _, name := range field {
		switch {
		case len(path) > 0 && name == path[0]:
			path = path[1:]
		case strings.Trim(name, "0123456789") != "":
			return false
		}
	}
	return len(path) == 0
}
