package gateway

// complaint is a failure that may last: what is tried again and again fails in the same words, and is logged once.
type complaint struct{ text string }

// isNew reports whether the failure is another one than the last.
func (c *complaint) isNew(err error) bool {
	text := err.Error()
	if text == c.text {
		return false
	}
	c.text = text
	return true
}

// end notes a success and reports whether there was a failure before it.
func (c *complaint) end() bool {
	failed := c.text != ""
	c.text = ""
	return failed
}
