package evidence

// children are the roles that this binary has as a process of its own.
var children = map[string]func() int{"append": appendForever, "limited": appendLimited}
