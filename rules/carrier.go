package rules

// Carrier is an element of an activity that says where its requests carry a product. It must not be changed.
type Carrier struct {
	// ID is the carrier's place in Policy.Carriers, and names it in Carried.
	ID int
	// Activity is the activity that the element belongs to.
	Activity string
	// Dialect is how the shop's language reads names and values.
	Dialect Dialect
	// Fields are where a product may be carried; at least one.
	Fields []Field
	// Where are conditions, of which a request must meet all: to one that does not, the carrier is as if it were not there.
	Where []Condition
	// Claims reports whether the element's hosts and paths alone make a request one of the activity. Otherwise only a
	// request does that carries something in one of the fields.
	Claims bool
}

// Dialect is how a shop's language reads the names of parameters, and values as numbers.
type Dialect string

// The dialects.
const (
	// Exact takes names and values as they are.
	Exact Dialect = "exact"
	// PHP rewrites names, takes the last of equal ones, and casts values to integers.
	PHP Dialect = "php"
	// Node reads values as JavaScript's unary plus does, and compares names as they are.
	Node Dialect = "node"
	// Python takes the last of equal names, and values as int() does.
	Python Dialect = "python"
)

// Field is a place in a request where a product may be carried.
type Field struct {
	// In says which part of the request it is.
	In FieldPlace
	// Name is which part of that: a parameter, with * for any part of it; a path pattern whose first * stands for the product;
	// a path of gjson; or Field.argument of a GraphQL mutation, where the argument may go on into its object.
	Name string
	// Key says that the product is what * stands for in the parameter's name, and not its value.
	Key bool
	// Split separates several products in one value, and Cut ends each; none where there is one.
	Split, Cut string
}

// Condition is that a parameter is there, with a certain value or with any.
type Condition struct {
	// In is InQuery, InForm or InParam.
	In FieldPlace
	// Name is the parameter's, as in Field.
	Name string
	// Is is what its value must be, in any case and with * for any part of it; empty for any value.
	Is string
}

// FieldPlace is a part of a request.
type FieldPlace string

// The parts of a request in which a product may be.
const (
	InQuery   FieldPlace = "query"   // a parameter of the query
	InForm    FieldPlace = "form"    // a field of a form or multipart body
	InParam   FieldPlace = "param"   // either of the two
	InPath    FieldPlace = "path"    // a segment of the path
	InJSON    FieldPlace = "json"    // a value in a JSON body
	InGraphQL FieldPlace = "graphql" // an argument of a field of a GraphQL mutation
)

// Carried is what was read of a request in the fields of one carrier.
type Carried struct {
	// Carrier is the carrier's ID.
	Carrier int
	// Present reports whether any of the fields is there, whatever it holds.
	Present bool
	// Undetermined reports whether the request may carry a product that could not be read.
	Undetermined bool
	// Unsent reports whether it is undetermined for nothing but a document that the request names by its digest, does not
	// hold, and whose text is not known. Together with the document it could be read.
	Unsent bool
	// IDs are the products: SKUs or numbers, as the carrier's dialect reads them, without blanks around them.
	IDs []string
}
