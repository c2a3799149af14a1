package rules

// Carrier is an element of an activity that says where its requests carry a product. It must not be changed.
type Carrier struct {
	// ID is the carrier's place in Policy.Carriers, and names it in Carried.
	ID int
	// Activity is the activity that the element belongs to.
	Activity string
	// Dialect is how the shop's language reads names and values.
	Dialect Dialect
	// Fields are where a product may be carried; at least one, unless there is a Cart.
	Fields []Field
	// Where are conditions, of which a request must meet all: to one that does not, the carrier is as if it were not there.
	Where []Condition
	// Claims reports whether the element's hosts and paths alone make a request one of the activity. Otherwise only a
	// request does that carries something in one of the fields or, where there are none but for the id of a cart in the path,
	// meets the conditions.
	Claims bool
	// Cart is how the shop is asked what is in the cart that a request is about; nil if it is not.
	Cart *Cart

	hashes map[[16]byte]string
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
	// Row says that the value is the key of a cart's row, and Cart that it is the id of a cart; neither is a product.
	Row, Cart bool
	// Hash is "md5" where the key of a row may be the MD5 of a product, and empty otherwise.
	Hash string
}

// Condition is that a parameter or value is there, with a certain value or with any, or that the method is a certain one.
type Condition struct {
	// In is InQuery, InForm, InParam, InJSON or InMethod.
	In FieldPlace
	// Name is the parameter's, as in Field, or the method.
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
	InGraphQL FieldPlace = "graphql" // an argument of a field of a GraphQL mutation; where a cart is asked for also the field itself
)

// InMethod is the method, which is a condition only.
const InMethod FieldPlace = "method"

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
	// Rows are the keys of a cart's rows, of which nothing in the request tells the product.
	Rows []string
	// Cart is the id of the cart that the request is about, where it has one that could be read.
	Cart string
	// Answered reports whether the shop has been asked for the cart: IDs are then what it says, none for an empty cart.
	Answered bool
}
